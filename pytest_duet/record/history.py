"""The runs before this one: which there are, which count, and which make up the window to judge by.

Runs are pytest-benchmark's own files and are never changed. Each holds, under ``gate``, how it ended; what people
decided afterwards stands in a journal beside them, ``gate/decisions.jsonl``.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from pytest_duet.errors import DuetError
from pytest_duet.record.decisions import Journal
from pytest_duet.record.lookback import Lookback, differences
from pytest_duet.record.row import Row
from pytest_duet.record.saved_run import Run, read_run
from pytest_duet.record.storage import number

WINDOW = 20  # accepted runs that the gate judges by
MIN_RUNS = 8  # below so many it gives no verdict
REACH = 10  # windows' worth of runs that are looked at, however few of them count


class History:
    """The runs in a storage folder. Files that turn out to be none are noted in ``damaged``, the reason by name.

    :param directory: pytest-benchmark's, ``.benchmarks`` by default.
    """

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory)
        self.journal = Journal(self.directory / "gate" / "decisions.jsonl")
        self.damaged: dict[str, str] = {}

    def names(self) -> list[str]:
        """Return the names of the saved runs, folder by folder, in the order of their numbers."""
        return [run for folder in self.folders() for run in folder]

    def folders(self) -> list[list[str]]:
        """Return the names of the runs by folder; pytest-benchmark has one for each Python, and counts within it."""
        folders = defaultdict(list)
        for path in sorted(self.directory.glob("*/*.json"), key=lambda path: (number(path), path.name)):
            if number(path):
                folders[path.parent.name].append(path.relative_to(self.directory).as_posix())
        return [folders[name] for name in sorted(folders)]

    def read(self, name: str) -> Run:
        """Return one run, or raise :func:`read_run`'s error."""
        return read_run(self.directory, name)

    def newest_first(self) -> Iterator[Run]:
        """Yield the runs that can be read, newest first; the others are noted in ``damaged``."""
        # Not by the files' times, which a cache or an artifact of CI does not keep.
        folders = [self._readable(reversed(folder)) for folder in self.folders()]
        return heapq.merge(*folders, key=lambda run: run.when, reverse=True)

    def _readable(self, names: Iterable[str]) -> Iterator[Run]:
        for name in names:
            try:
                run = self.read(name)
            except DuetError as error:
                self.damaged[name] = str(error)
                continue
            for benchmark, why in run.damaged.items():
                self.damaged[f"{name} {benchmark}"] = f"{self.directory / name} is damaged: {benchmark}: {why}."
            yield run

    def state(self, run: Run) -> tuple[str, str]:
        """Return ``"accepted"``, ``"rejected"`` or ``"pending"``, and why, ``""`` where it goes without saying."""
        decision = self.journal.decision(run.name)
        if decision:
            return decision.state, decision.text
        return ("pending", run.why_pending) if run.why_pending else ("accepted", "")

    def look_back(
        self,
        rows: Mapping[str, Row],
        fingerprint: Mapping[str, Any],
        size: int,
        aliases: Mapping[str, str] | None = None,
    ) -> Lookback:
        """Return what history has to say about a session's rows.

        :param fingerprint: this machine's.
        :param size: how many runs make a full window.
        :param aliases: the name that a benchmark has now, by the name that it had.
        """
        back = Lookback(rows)
        aliases = {old: new for old, new in (aliases or {}).items() if old not in rows}
        here: set[str] = set()  # the names of this machine's runs
        for run in islice(self.newest_first(), REACH * size):
            if self.state(run)[0] != "accepted":
                continue
            differs = differences(run.fingerprint, fingerprint)
            if differs:
                back.elsewhere = back.elsewhere or (run.name, differs)
            else:
                here.add(run.name)
                back.take(run.name, _renamed(run.rows, aliases), size)
                back.acknowledged = back.acknowledged or self.journal.decision(run.name) is not None
            if here.intersection(self.journal.together(run.name)):  # ignore restarts accepted for other machines
                for name, metric in self.journal.restarts(run.name):
                    back.end_window(_alias(name, aliases), metric)
            if back.full(size):
                break
        back.damaged = [*self.damaged.values(), *self.journal.damaged]
        return back


def _alias(name: str, aliases: Mapping[str, str]) -> str:
    """Return the name that a benchmark has now; one that was renamed twice has two aliases."""
    passed: set[str] = set()
    while name in aliases and name not in passed:
        passed.add(name)
        name = aliases[name]
    return name


def _renamed(rows: Mapping[str, Row], aliases: Mapping[str, str]) -> dict[str, Row]:
    """Return the rows by the names that the benchmarks have now; a row that has such a name by itself comes first."""
    own = {name: row for name, row in rows.items() if name not in aliases}
    return {_alias(name, aliases): row for name, row in rows.items()} | own
