"""A worker's side of a distributed session: it measures and tells; what it all means, the controller says."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import cached_property
from typing import Any

import pytest

from pytest_duet.distributed.evidence import attach
from pytest_duet.plugin import compat
from pytest_duet.plugin.gate import Gate
from pytest_duet.plugin.marker import is_benchmark


def leave_to_the_controller(config: pytest.Config) -> None:
    """Switch off what would write files or print tables: the controller alone has all the rows."""
    compat.write_no_files(config)
    config.option.gate_json = config.option.report = None


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
            attach(report, self.gate, item, lambda: self.machine_info)
        return report

    @cached_property
    def machine_info(self) -> dict[str, Any]:
        """What pytest-benchmark saves of the machine; asked for once, since that takes a second."""
        return compat.machine_info(self.config)
