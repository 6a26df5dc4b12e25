"""What a worker tells the controller of a benchmark: it travels with pytest's report of the test, as JSON.

So whatever a worker has finished is the controller's, even if that worker dies right after.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from pytest_duet.plugin import compat
from pytest_duet.plugin.gate import Gate
from pytest_duet.record.metrics import Margin
from pytest_duet.record.row import Row

ATTRIBUTE = "duet"  # of the report


def attach(
    report: pytest.TestReport, gate: Gate, item: pytest.Item, machine_info: Callable[[], dict[str, Any]]
) -> None:
    """Put what is known of a benchmark onto the report of one of its phases.

    :param gate: the worker's, which knows the benchmark's margins and its row.
    :param machine_info: called for what pytest-benchmark says of this machine, once there is a row.
    """
    node = item.nodeid
    told: dict[str, Any] = {
        "subject": gate.subjects[node],
        "margins": {metric: asdict(margin) for metric, margin in gate.margins[node].items()},
        "narrowed": gate.narrowed,
    }
    if report.when == "call" and node in gate.rows:
        told["name"], told["extra_info"] = gate.names[node], dict(gate.extras[node])
        told["benchmark"] = compat.record_as_json(item)
        told["machine_info"] = machine_info()
    setattr(report, ATTRIBUTE, json.dumps(told))


def read(report: pytest.TestReport) -> dict[str, Any] | None:
    """Return what :func:`attach` put onto a report, margins and pytest-benchmark's records revived; None for others."""
    text = getattr(report, ATTRIBUTE, None)
    if text is None:
        return None
    told: dict[str, Any] = json.loads(text)
    told["margins"] = {metric: Margin(**margin) for metric, margin in told["margins"].items()}
    if "extra_info" in told:
        told["row"] = Row.from_json(told["extra_info"])
    if told.get("benchmark"):
        told["benchmark"] = compat.record_from_json(told["benchmark"], told["extra_info"])
    return told
