"""``pytest benchmarks --shard K/N --run-id ID``: one host's part of a run that several hosts share.

The hosts need not talk to each other. Each collects the whole run, keeps every N-th of its benchmarks, in the order of
their names, and saves what became of them beside the names of all, so that ``python -m benchmarks history merge`` can
tell what a host that died was to measure.
"""

from __future__ import annotations

import platform

import pytest
from pytest_benchmark.storage.file import FileStorage
from pytest_benchmark.utils import get_tag

from pytest_duet.plugin.gate import is_benchmark
from pytest_duet.plugin.session_report import unsaved_json
from pytest_duet.plugin.storages import ShardStorage
from pytest_duet.record.shard import read_shard


def add_options(parser):
    """Declare the options to pytest."""
    add = parser.getgroup("shards", "a run that several hosts share").addoption
    add("--shard", metavar="K/N", help="run every N-th benchmark, from the K-th, K from 1; saves them")
    add("--run-id", metavar="ID", help="of the run that the shard is part of: the same on every host")


def register(config):
    """Register the plugin of this session if it is to run a shard; before the gate, which judges what is left.

    :raises DuetError: for options that make no sense.
    """
    shard = read_shard(config.getoption("shard"), config.getoption("run_id"))
    if shard:
        config.pluginmanager.register(ShardSession(config, shard), "shard")


class ShardSession:
    """The plugin of a session that runs a shard.

    :param config: pytest's.
    :param shard: :class:`pytest_duet.record.shard.Shard`.
    """

    def __init__(self, config, shard):
        self.config, self.shard = config, shard
        self.planned, self.own = None, []  # node ids: of the whole run, sorted, and of this shard
        self.passed = set()

    @property
    def _gate(self):
        return self.config.pluginmanager.get_plugin("gate")

    @pytest.hookimpl(trylast=True)  # when the gate has made the storage a safe one
    def pytest_sessionstart(self):
        session = self.config._benchmarksession  # pytest-benchmark has no public way to its storage
        if not isinstance(session.storage, FileStorage):
            raise pytest.UsageError("--shard: it needs runs in files, --benchmark-storage=file://DIR.")
        session.storage = ShardStorage(session.storage, self.shard)
        if not session.disabled:
            session.autosave = session.autosave or get_tag()

    # A wrapper, and first, to come when -k, -m and --lf have chosen; the gate, registered later, wraps this one.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        result = yield
        self.planned = sorted(item.nodeid for item in items if is_benchmark(item))
        self.own = self.shard.share(self.planned)
        own = set(self.own)
        dropped = [item for item in items if is_benchmark(item) and item.nodeid not in own]
        items[:] = [item for item in items if not is_benchmark(item) or item.nodeid in own]
        self._gate.benchmarks_of_run = len(self.planned)
        if dropped:
            self.config.hook.pytest_deselected(items=dropped)
        return result

    def pytest_report_collectionfinish(self):
        count = f"{len(self.own)} of {len(self.planned)} benchmarks"
        return f"shard {self.shard} of run {self.shard.run}: {count}{'' if self.own else ', so nothing to do'}"

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid)

    def pytest_benchmark_update_json(self, output_json):
        output_json["shard"] = {
            "run": self.shard.run,
            "number": self.shard.number,
            "of": self.shard.of,
            "node": platform.node(),
            "planned": self.planned or [],
            "benchmarks": self.own,
            "outcomes": {name: outcome for name in self.own if (outcome := self._outcome(name))},
        }

    def _outcome(self, name):
        """Return what became of a benchmark, in words; None if it did not end."""
        if name in self._gate.outcomes:
            outcome, why = self._gate.outcomes[name]
            return f"{outcome}: {why}"
        return "measured" if name in self.passed else None

    @pytest.hookimpl(trylast=True)  # when pytest-benchmark has saved, if it had anything
    def pytest_sessionfinish(self, session):
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self.planned:
            session.exitstatus = pytest.ExitCode.OK  # there are more shards than benchmarks, which is nobody's fault
        benchmarks = self.config._benchmarksession
        if self.planned and not (benchmarks.benchmarks or benchmarks.disabled or self.config.option.collectonly):
            self._save_without_rows(benchmarks)

    def _save_without_rows(self, benchmarks):
        """Save all the same: a shard that had nothing to do, or measured nothing, is not one whose host died."""
        output_json = unsaved_json(self.config, [])
        if benchmarks.json:
            benchmarks.save_json(output_json)
        benchmarks.storage.save(output_json, benchmarks.save or benchmarks.autosave)
