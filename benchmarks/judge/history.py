"""The runs before this one: which there are, which count, and which make up the window to judge by.

Runs are pytest-benchmark's own files and are never changed. Each holds, under ``gate``, how it ended; what people
decided afterwards stands in a journal beside them, ``gate/decisions.jsonl``.
"""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks.errors import SuiteError
from benchmarks.judge.decisions import Journal
from benchmarks.judge.metrics import DEVICE_SOURCES
from benchmarks.judge.shape import NUMBER, check
from benchmarks.judge.storage import number
from benchmarks.judge.verdict import Verdict

CHANGES = (Verdict.REGRESSED, Verdict.IMPROVED, Verdict.MACHINE)
HELD = {
    Verdict.REGRESSED: "a benchmark regressed",
    Verdict.IMPROVED: "a benchmark improved; accept it to start a new window",
    Verdict.MACHINE: "the whole machine was slower",
    Verdict.VOID: "a benchmark failed",
}
MEMORY_SHARE = 0.01  # a kernel's update moves the memory that it reports by less

# What is read of a run, and must look like this (judge/shape.py); the rest of the file is nobody's business here.
TRIAL = {
    "epoch_seconds?": NUMBER,
    "first_epoch_seconds?": NUMBER,
    "memory": {f"{source}?": NUMBER for source in ("host_peak_rss_bytes", *DEVICE_SOURCES)},
}
ROW = {
    "framework": str,
    "device": str,
    "contract": dict,
    "threads?": dict,
    "dataset": {"digest": str},
    "versions?": dict,
    "accuracy": NUMBER,
    "trials": [TRIAL],
}
BOUNDS = {"was?": NUMBER, "now?": NUMBER, "low?": NUMBER, "high?": NUMBER}
CELL = {"benchmark": str, "metric": str, "verdict": str, "note": str, **BOUNDS}
RUN = {
    "datetime?": str,
    "commit_info?": {"id?": str},
    "machine_info?": {"fingerprint?": dict},
    "benchmarks": [{"fullname": str, "extra_info?": dict}],
    "gate?": {"mode?": str, "failed_tests": int, "interrupted?": bool, "cells": [CELL]},
}


@dataclass(frozen=True)
class Run:
    """One saved run.

    :param name: its path below the storage, such as ``Linux-CPython-3.11-64bit/0007_abc.json``.
    :param data: the JSON.
    """

    name: str
    data: dict = field(repr=False)

    @cached_property
    def rows(self):
        """Each benchmark's ``extra_info`` by its ``fullname``; benchmarks that are not this suite's are left out."""
        benches = self.data["benchmarks"]
        return {bench["fullname"]: bench["extra_info"] for bench in benches if _is_ours(bench)}

    @property
    def fingerprint(self):
        return (self.data.get("machine_info") or {}).get("fingerprint")

    @property
    def when(self):
        return self.data.get("datetime") or ""

    @property
    def commit(self):
        return (self.data.get("commit_info") or {}).get("id") or ""

    @property
    def cells(self):
        """What the gate said of this run, as dictionaries; empty where it was not asked."""
        return (self.data.get("gate") or {}).get("cells", [])

    @property
    def changed(self):
        """The benchmarks that got slower or faster."""
        return sorted({cell["benchmark"] for cell in self.cells if cell["verdict"] in CHANGES})

    @property
    def why_held(self):
        """Why this run does not count until somebody accepts it; None if it counts."""
        gate = self.data.get("gate")
        if gate is None:
            return "it says nothing of how it ended"
        for verdict, why in HELD.items():
            if any(cell["verdict"] == verdict for cell in self.cells):
                return why
        if gate.get("interrupted"):
            return "it was interrupted, so not all was judged"
        if gate.get("mode") == "against":
            return "both sides took turns"
        return f"{gate['failed_tests']} tests failed" if gate["failed_tests"] else None


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
        """Return one :class:`Run`.

        :raises SuiteError: where the file cannot be read, or is no run.
        """
        try:
            run = Run(name, json.loads((self.directory / name).read_bytes()))
            check(run.data, RUN, "the run")
            for benchmark, row in run.rows.items():
                check(row, ROW, benchmark)
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise SuiteError(f"{self.directory / name} is damaged: {error}.") from error
        return run

    def newest_first(self):
        """Return an iterator over the runs that can be read, newest first; the others are noted in ``damaged``."""
        # Not by the files' times, which a cache or an artifact of CI does not keep.
        folders = [self._readable(reversed(folder)) for folder in self.folders()]
        return heapq.merge(*folders, key=lambda run: run.when, reverse=True)

    def _readable(self, names):
        for name in names:
            try:
                yield self.read(name)
            except SuiteError as error:
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
        :param fingerprint: this machine's, :func:`benchmarks.measure.machine.fingerprint`.
        :param size: how many runs make a full window.
        :param aliases: the name that a benchmark has now, by the name that it had.
        """
        back, open_ones = Lookback(rows), set(rows)
        aliases = {old: new for old, new in dict(aliases).items() if old not in rows}
        here = set()  # the names of this machine's runs
        for run in self.newest_first():
            if self.state(run)[0] != "accepted":
                continue
            differs = differences(run.fingerprint, fingerprint)
            if differs:
                back.elsewhere = back.elsewhere or (run.name, differs)
            else:
                here.add(run.name)
                back.take(run.name, _renamed(run.rows, aliases), open_ones, size)
                back.acknowledged = back.acknowledged or self.journal.decision(run.name) is not None
            if here.intersection(self.journal.together(run.name)):  # what changed elsewhere alone, did not change here
                open_ones -= {_alias(name, aliases) for name in self.journal.restarts(run.name)}
            if not open_ones and back.seen >= size:
                break
        back.damaged = [*self.damaged.values(), *self.journal.damaged]
        return back


class Lookback:
    """What history has to say about a session.

    ``windows``: the earlier rows of each benchmark, newest first; ``otherwise``: for benchmarks with rows that were
    measured under other conditions, the newest such run and what differs; ``elsewhere``: the same for whole runs, whose
    machine was another; ``known``: the benchmarks of the newest accepted runs, with a row of each; ``seen``: how many
    runs those are; ``acknowledged``: whether somebody accepted one of them, and with it what older ones had and it has
    not; ``damaged``: what could not be read, in words.
    """

    def __init__(self, rows):
        self.rows = rows
        self.windows = {name: [] for name in rows}
        self.otherwise, self.elsewhere, self.known, self.damaged = {}, None, {}, []
        self.seen, self.acknowledged = 0, False

    def take(self, run, rows, open_ones, size):
        """Take a run's rows into the windows that are still open; those that are full then are taken out of these."""
        if self.seen < size:
            self.seen += 1
            if not self.acknowledged:
                self.known.update(rows)
        for name, row in rows.items():
            if name not in open_ones:
                continue
            differs = differences(conditions(row), conditions(self.rows[name]))
            if differs:
                self.otherwise.setdefault(name, (run, differs))
            else:
                self.windows[name].append(row)
            if len(self.windows[name]) == size:
                open_ones.discard(name)

    def findings(self, was_asked):
        """Return, a sentence each, what is missing between then and now.

        :param was_asked: tells of a framework whether this session was asked for it; if not, it has not vanished.
        """
        found = [f"Left out: {why}" for why in self.damaged]
        new = [name for name in self.rows if name not in self.known]
        for name, row in self.known.items():
            if name not in self.rows and was_asked(row["framework"]):
                text = f"Vanished: {name} was in the last {self.seen} accepted runs and is not in this one."
                likely = [candidate for candidate in new if self.rows[candidate]["framework"] == row["framework"]]
                if likely:
                    text += f" Renamed? Then put into pytest.ini, under gate_aliases: {name} -> {likely[0]}"
                else:
                    text += " Removed on purpose? Then accept this run: python -m benchmarks history accept latest"
                found.append(text)
        if self.elsewhere and not self.seen:
            run, differs = self.elsewhere
            found.append(f"Another fingerprint: no accepted run is from this machine. Since {run}: {_spell(differs)}.")
        for name, (run, differs) in self.otherwise.items():
            if not self.windows[name]:
                found.append(f"Other conditions: {name}, since {run}: {_spell(differs)}.")
        return found


def conditions(row):
    """Return what must be equal, beside the machine and the name, before two rows may be compared."""
    return {
        "device": row["device"],
        "contract": row["contract"],
        "threads": (row.get("threads") or {}).get("asked"),
        "scheduling": row.get("scheduling"),
        "digest of the data": row["dataset"]["digest"],
    }


def differences(then, now, prefix=""):
    """Return ``[(field, then, now), ...]`` where two fingerprints differ, nested fields by dotted names."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        return [] if then == now or _same_memory(prefix, then, now) else [(prefix or "all", then, now)]
    names = [*then, *(name for name in now if name not in then)]
    return [
        found
        for name in names
        for found in differences(then.get(name), now.get(name), f"{prefix}.{name}" if prefix else name)
    ]


def _same_memory(name, then, now):
    if name != "memory_bytes" or not (isinstance(then, NUMBER) and isinstance(now, NUMBER)):
        return False
    return abs(then - now) <= MEMORY_SHARE * max(then, now)


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


def _spell(differs):
    return ", ".join(f"{name} from {then!r} to {now!r}" for name, then, now in differs)


def _is_ours(bench):
    row = bench.get("extra_info") or {}
    return "schema" in row and "trials" in row
