"""The runs before this one: which there are, which count, and which make up the window to judge by.

Runs are pytest-benchmark's own files and are never changed. Each holds, under ``gate``, how it ended; what people
decided afterwards stands in a journal beside them, ``gate/decisions.jsonl``.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from itertools import islice
from pathlib import Path

from pytest_duet.errors import DuetError
from pytest_duet.record.decisions import Journal
from pytest_duet.record.lookback import Lookback, differences
from pytest_duet.record.saved_run import read_run
from pytest_duet.record.storage import number

WINDOW = 20  # accepted runs that the gate judges by
MIN_RUNS = 8  # below so many it gives no verdict
REACH = 10  # windows' worth of runs that are looked at, however few of them count


class History:
    """The runs in a storage folder. Files that turn out to be none are noted in ``damaged``, the reason by name.

    :param directory: pytest-benchmark's, ``.benchmarks`` by default.
    """

    def __init__(self, directory):
        self.directory = Path(directory)
        self.journal = Journal(self.directory / "gate" / "decisions.jsonl")
        self.damaged = {}

    def names(self):
        """Return the names of the saved runs, folder by folder, in the order of their numbers."""
        return [run for folder in self.folders() for run in folder]

    def folders(self):
        """Return the names of the runs by folder; pytest-benchmark has one for each Python, and counts within it."""
        folders = defaultdict(list)
        for path in sorted(self.directory.glob("*/*.json"), key=lambda path: (number(path), path.name)):
            if number(path):
                folders[path.parent.name].append(path.relative_to(self.directory).as_posix())
        return [folders[name] for name in sorted(folders)]

    def read(self, name):
        """Return one :class:`pytest_duet.record.saved_run.Run`.

        :raises DuetError: where the file cannot be read, or is no run.
        """
        return read_run(self.directory, name)

    def newest_first(self):
        """Return an iterator over the runs that can be read, newest first; the others are noted in ``damaged``."""
        # Not by the files' times, which a cache or an artifact of CI does not keep.
        folders = [self._readable(reversed(folder)) for folder in self.folders()]
        return heapq.merge(*folders, key=lambda run: run.when, reverse=True)

    def _readable(self, names):
        for name in names:
            try:
                yield self.read(name)
            except DuetError as error:
                self.damaged[name] = str(error)

    def state(self, run):
        """Return ``"accepted"``, ``"rejected"`` or ``"held"``, and why, ``""`` where it goes without saying."""
        decision = self.journal.decision(run.name)
        if decision:
            return decision.state, decision.text
        return ("held", run.why_held) if run.why_held else ("accepted", "")

    def look_back(self, rows, fingerprint, size, aliases=()):
        """Return the :class:`Lookback` for a session's rows.

        :param rows: ``extra_info`` by benchmark.
        :param fingerprint: this machine's, :func:`pytest_duet.sensors.fingerprint.fingerprint`.
        :param size: how many runs make a full window.
        :param aliases: the name that a benchmark has now, by the name that it had.
        """
        back = Lookback(rows)
        aliases = {old: new for old, new in dict(aliases).items() if old not in rows}
        here = set()  # the names of this machine's runs
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
            if here.intersection(self.journal.together(run.name)):  # what changed elsewhere alone, did not change here
                for name, metric in self.journal.restarts(run.name):
                    back.end_window(_alias(name, aliases), metric)
            if back.full(size):
                break
        back.damaged = [*self.damaged.values(), *self.journal.damaged]
        return back


def _alias(name, aliases):
    """Return the name that a benchmark has now; one that was renamed twice has two aliases."""
    passed = set()
    while name in aliases and name not in passed:
        passed.add(name)
        name = aliases[name]
    return name


def _renamed(rows, aliases):
    """Return the rows by the names that the benchmarks have now; a row that has such a name by itself comes first."""
    return {_alias(name, aliases): row for name, row in rows.items()} | {
        name: row for name, row in rows.items() if name not in aliases
    }
