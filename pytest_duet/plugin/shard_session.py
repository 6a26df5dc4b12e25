"""``pytest --shard K/N --run-id ID``: one host's part of a run that several hosts share.

The hosts need not talk to each other. Each collects the whole run, keeps every N-th of its benchmarks, in the order of
their names, and saves what became of them beside the names of all, so that ``history merge`` can tell what a host that
died was to measure.
"""

from __future__ import annotations

import platform
import secrets
from collections.abc import Generator
from typing import Any

import pytest
from pytest_benchmark.storage.file import FileStorage

from pytest_duet.atomic import atomic_write
from pytest_duet.plugin import compat
from pytest_duet.plugin.marker import is_benchmark
from pytest_duet.plugin.recording import SafeStorage
from pytest_duet.plugin.session import GATE
from pytest_duet.record.shard import FOLDER, Shard
from pytest_duet.record.storage import as_bytes


class ShardStorage(SafeStorage):
    """A storage whose runs are read as ever, while this session's shard is saved in its run's own folder.

    There are no numbers to give out, and so no lock to hold, which not every shared file system has: a file is numbered
    as its shard is, and a shard that was started again writes another one.
    """

    def __init__(self, storage: FileStorage, shard: Shard) -> None:
        super().__init__(storage.path, storage.logger, storage.default_machine_id)  # type: ignore[no-untyped-call]
        self.shard = shard

    def save(self, output_json: dict[str, Any], save: str) -> None:
        """Write the shard."""
        folder = self.path / FOLDER / self.shard.run / self.default_machine_id
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.shard.number:04}_{save}-{secrets.token_hex(4)}.json"
        atomic_write(path, as_bytes(output_json))
        self.logger.info(f"Saved benchmark data in: {path}")


class ShardSession:
    """The plugin of a session that runs a shard; registered before the gate, which judges what is left."""

    def __init__(self, config: pytest.Config, shard: Shard) -> None:
        self.config, self.shard = config, shard
        self.planned: list[str] | None = None  # node ids: of the whole run, sorted,
        self.own: list[str] = []  # and of this shard
        self.passed: set[str] = set()

    @pytest.hookimpl(trylast=True)  # when the gate has made the storage a safe one
    def pytest_sessionstart(self) -> None:
        if not compat.replace_storage(self.config, lambda storage: ShardStorage(storage, self.shard)):
            raise pytest.UsageError("--shard: it needs runs in files, --benchmark-storage=file://DIR.")
        compat.save_always(self.config)

    # A wrapper, and first, to come when -k, -m and --lf have chosen; the gate, registered later, wraps this one.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, object, object]:
        result = yield
        self.planned = sorted(item.nodeid for item in items if is_benchmark(item))
        self.own = self.shard.share(self.planned)
        own = set(self.own)
        dropped = [item for item in items if is_benchmark(item) and item.nodeid not in own]
        items[:] = [item for item in items if not is_benchmark(item) or item.nodeid in own]
        self.config.stash[GATE].benchmarks_of_run = len(self.planned)
        if dropped:
            self.config.hook.pytest_deselected(items=dropped)
        return result

    def pytest_report_collectionfinish(self) -> str:
        count = f"{len(self.own)} of {len(self.planned or ())} benchmarks"
        return f"shard {self.shard} of run {self.shard.run}: {count}{'' if self.own else ', so nothing to do'}"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid)

    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        output_json["shard"] = {
            "run": self.shard.run,
            "number": self.shard.number,
            "of": self.shard.of,
            "node": platform.node(),
            "planned": self.planned or [],
            "benchmarks": self.own,
            "outcomes": {name: outcome for name in self.own if (outcome := self._outcome(name))},
        }

    def _outcome(self, name: str) -> str | None:
        """Return what became of a benchmark, in words; None if it did not end."""
        ended = self.config.stash[GATE].outcomes.get(name)
        if ended:
            outcome, why = ended
            return f"{outcome}: {why}"
        return "measured" if name in self.passed else None

    @pytest.hookimpl(trylast=True)  # when pytest-benchmark has saved, if it had anything
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self.planned:
            session.exitstatus = pytest.ExitCode.OK  # there are more shards than benchmarks, which is nobody's fault
        if self.planned and not self.config.getoption("collectonly"):
            compat.save_without_records(self.config)  # a shard that measured nothing is not one whose host died
