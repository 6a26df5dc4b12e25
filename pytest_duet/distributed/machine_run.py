"""One machine of a distributed session, as the controller sees it: its rows, its gate, and what befell it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from pytest_duet.distributed import evidence
from pytest_duet.plugin.gate import Gate
from pytest_duet.plugin.session_report import SessionReport
from pytest_duet.record.storage import platform_folder

BENCHMARK = re.compile(r"(.*/)?benchmarks/test_\w+\.py::")


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
    records: dict = field(default_factory=dict)  # pytest-benchmark's, by node id
    info: dict | None = None  # what pytest-benchmark saves of it
    planned: list = field(default_factory=list)  # the node ids that it was to run
    ended: set = field(default_factory=set)  # those that it ended, one way or another
    trouble: str = ""  # why it has gone, if it has

    def plan(self, nodes, frameworks):
        """Note what the machine is to run; the frameworks are those of the session."""
        for node in nodes:
            framework = framework_of(node, frameworks)
            if node not in self.planned:
                self.planned.append(node)
            if framework:
                self.gate.framework_of.setdefault(node, framework)
                self.gate.margins.setdefault(node, self.gate.default_margins())

    def take(self, report):
        """Take what a report tells, if it is one of a benchmark's."""
        self.gate.pytest_runtest_logreport(report)
        if report.when == "call" or not report.passed:
            self.ended.add(report.nodeid)
        told = evidence.read(report)
        if told is None:
            return
        gate, node = self.gate, report.nodeid
        gate.framework_of[node], gate.margins[node] = told["framework"], told["margins"]
        gate.narrowed = gate.narrowed or told["narrowed"]
        if "row" in told:
            gate.rows[node], gate.names[node] = told["row"], told["name"]
            self.info = told["machine_info"]
            gate.fingerprint = self.info.get("fingerprint")
        if told.get("benchmark"):
            self.records[node] = told["benchmark"]

    @property
    def rows(self):
        """The ``extra_info`` of each benchmark, in the order of the collection: they arrive as they end."""
        return [self.gate.rows[node] for node in self.planned if node in self.gate.rows]

    @property
    def benchmarks(self):
        """pytest-benchmark's record of each, likewise."""
        return [self.records[node] for node in self.planned if node in self.records]

    @property
    def folder(self):
        """The name of its folder in a storage, as pytest-benchmark would call it there."""
        return platform_folder(self.info) if self.info else None

    @property
    def lost(self):
        """The node ids of what it was to run and never ended."""
        return [node for node in self.planned if node not in self.ended]


def beside(path, name):
    """Return where one machine's file goes that was to be called ``path``, since the others have theirs.

    :param path: None for none.
    :param name: the machine's; ``""`` for the only one.
    """
    if not path or not name:
        return path
    path = Path(path)
    return str(path.with_name(f"{path.stem}-{name}{path.suffix}"))


def on_machine(node, name):
    """Return a node id that says which machine the test ran on; ``""`` is the only one."""
    if not name:
        return node
    return f"{node[:-1]} on {name}]" if node.endswith("]") else f"{node} on {name}"


def framework_of(node, frameworks):
    """Return which framework a benchmark's node id names, ``path::test[FRAMEWORK-conditions]``; None for other ones."""
    if not BENCHMARK.match(node):
        return None
    named = node.partition("[")[2].rstrip("]")
    return max((name for name in frameworks if named == name or named.startswith(f"{name}-")), key=len, default=None)
