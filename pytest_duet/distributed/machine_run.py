"""One machine of a distributed session, as the controller sees it: its rows, its gate, and what befell it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_duet.distributed import worker_side
from pytest_duet.errors import DuetError
from pytest_duet.plugin.gate import Gate
from pytest_duet.plugin.session_report import SessionReport


@dataclass
class Machine:
    """What has come from one machine so far.

    :param name: beside others; ``""`` for this machine alone.
    :param gate: its own, since every machine is judged by its own history.
    :param report: its page; None if none is asked for.
    """

    name: str
    gate: Gate
    report: SessionReport | None = None
    records: dict[str, Any] = field(default_factory=dict)  # pytest-benchmark's, by node id
    info: dict[str, Any] | None = None  # what pytest-benchmark saves of it
    planned: list[str] = field(default_factory=list)  # the node ids that it was to run
    ended: set[str] = field(default_factory=set)  # those that it ended, one way or another
    trouble: str = ""  # why it has gone, if it has

    def plan(self, subjects: dict[str, str | None]) -> None:
        """Note what the machine is to run, and for each benchmark what it measures."""
        for node, subject in subjects.items():
            if node not in self.planned:
                self.planned.append(node)
            if subject is not None:
                self.gate.subjects.setdefault(node, subject)
                self.gate.margins.setdefault(node, self.gate.options.margins_of(node))

    def take(self, report: pytest.TestReport) -> None:
        """Take what a report tells, if it is one of a benchmark's."""
        told = worker_side.read(report)
        if told is not None:
            try:
                self._learn(report.nodeid, told)
            except DuetError as error:  # another worker's test has told otherwise of a metric
                report.outcome, report.longrepr = "failed", str(error)
        self.gate.pytest_runtest_logreport(report)
        if report.when == "call" or not report.passed:
            self.ended.add(report.nodeid)

    def _learn(self, node: str, told: dict[str, Any]) -> None:
        gate = self.gate
        gate.subjects[node], gate.margins[node] = told["subject"], told["margins"]
        gate.narrowed = gate.narrowed or told["narrowed"]
        if "row" in told:
            gate.publish(node, told["name"], told["row"], told["extra_info"])
            self.info = told["machine_info"]
            gate.fingerprint = told["machine_info"].get("fingerprint")
        if told.get("benchmark"):
            self.records[node] = told["benchmark"]
        gate.take_own(node, told["own_metrics"])

    @property
    def measured(self) -> list[str]:
        """The node ids of the benchmarks that have a row, in the order of the collection: they arrive as they end."""
        return [node for node in self.planned if node in self.gate.extras]

    @property
    def benchmarks(self) -> list[Any]:
        """pytest-benchmark's record of each, likewise."""
        return [self.records[node] for node in self.planned if node in self.records]


def beside(path: str | None, name: str) -> str | None:
    """Return where one machine's file goes that was to be called ``path``: the others have theirs, if there are any."""
    if not path or not name:
        return path
    its = Path(path)
    return str(its.with_name(f"{its.stem}-{name}{its.suffix}"))


def on_machine(node: str, name: str) -> str:
    """Return a node id that says which machine the test ran on; ``""`` is the only one."""
    if not name:
        return node
    return f"{node[:-1]} on {name}]" if node.endswith("]") else f"{node} on {name}"
