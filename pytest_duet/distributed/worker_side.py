"""A worker's side of a distributed session: it measures and tells; what it all means, the controller says.

What it tells of a benchmark travels with pytest's report of the test, as JSON. So whatever a worker has finished is the
controller's, even if that worker dies right after.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from dataclasses import asdict
from functools import cached_property
from typing import Any

import pytest

from pytest_duet.plugin import compat
from pytest_duet.plugin.gate import Gate
from pytest_duet.plugin.marker import is_benchmark
from pytest_duet.record.margins import Margin
from pytest_duet.record.metrics import Metric
from pytest_duet.record.row import Row

ATTRIBUTE = "duet"  # of a report


class WorkerSide:
    """The plugin.

    :param gate: the session's, which is not registered here: it judges nothing, but fixtures ask it.
    """

    def __init__(self, config: pytest.Config, gate: Gate) -> None:
        self.config, self.gate = config, gate

    def pytest_sessionstart(self) -> None:
        compat.keep_enabled(self.config)

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        self.gate.pytest_deselected(items)

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # when -k and -m have chosen
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, object, object]:
        result = yield
        self.gate.take_on(items)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if is_benchmark(item):
            self.tell(item, report)
        return report

    def tell(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Have a report of a benchmark tell what is known of it by then."""
        setattr(report, ATTRIBUTE, json.dumps(self._known_of(item, report.when)))

    def _known_of(self, item: pytest.Item, when: str) -> dict[str, Any]:
        """Return what is known of a benchmark after one of its phases."""
        gate, node = self.gate, item.nodeid
        told: dict[str, Any] = {
            "subject": gate.subjects[node],
            "margins": {metric: asdict(margin) for metric, margin in gate.margins[node].items()},
            "narrowed": gate.narrowed,
        }
        if when == "call" and node in gate.extras:
            told["name"], told["extra_info"] = gate.names[node], dict(gate.extras[node])
            told["benchmark"] = gate.records.get(node) or compat.record_as_json(item)
            told["machine_info"] = self.machine_info
            its = (gate.metrics[name] for name in gate.margins[node] if name in gate.metrics)
            told["own_metrics"] = [asdict(metric) for metric in its if metric.own]
        return told

    @cached_property
    def machine_info(self) -> dict[str, Any]:
        """What pytest-benchmark saves of the machine; asked for once, since that takes a second."""
        return compat.machine_info(self.config)


def read(report: pytest.TestReport) -> dict[str, Any] | None:
    """Return what a worker told with a report, its objects revived; None for other tests."""
    text = getattr(report, ATTRIBUTE, None)
    if text is None:
        return None
    told: dict[str, Any] = json.loads(text)
    told["margins"] = {metric: Margin(**margin) for metric, margin in told["margins"].items()}
    told["own_metrics"] = list(map(_metric, told.get("own_metrics", ())))
    if "extra_info" in told:
        told["row"] = Row.from_json(told["extra_info"])
    if told.get("benchmark"):
        told["benchmark"] = compat.record_from_json(told["benchmark"], told["extra_info"])
    return told


def _metric(plain: dict[str, Any]) -> Metric:
    margins = {name: Margin(**plain[name]) for name in ("history", "against")}
    return Metric(**{**plain, **margins})
