"""``python -m pytest_duet bisect``: which commit, or which version of a package, changed a benchmark's figure?"""

from __future__ import annotations

import argparse
import re
import shlex
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_duet.commands.history_command import STORAGE
from pytest_duet.commands.revisions import Revision, revisions_between
from pytest_duet.commands.sessions import run_session
from pytest_duet.errors import DuetError
from pytest_duet.judge import bisection
from pytest_duet.judge.bisection import Answer, Search
from pytest_duet.record.bisect_journal import Journal, Probe
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.margins import margin_text

CHANGED = (Verdict.REGRESSED, Verdict.IMPROVED)
NOT_FOUND = 1


def add_parser(commands: Any, always: Iterable[str] = ()) -> None:
    """Declare the command to argparse; words that pytest is always given come before those of the command line."""
    what = "find the commit, or the version of a package, that changed a benchmark's time, memory, accuracy or losses"
    parser = commands.add_parser("bisect", help=what, description=what)
    ends = "the good and the bad one, git:COMMIT or NAME==VERSION each; or both as git:A..B or NAME==A..B"
    parser.add_argument("ends", metavar="GOOD BAD", nargs="+", help=ends)
    metric = (
        "what changed: time (default), peak_memory_bytes, or another metric of the suite, such as its accuracy or loss"
    )
    parser.add_argument("--metric", default="time", help=metric)
    parser.add_argument(
        "--storage", default=STORAGE, metavar="DIR", help=f"for what it found so far; default: {STORAGE}"
    )
    parser.epilog = "Behind --: pytest's arguments, which one benchmark, and how."
    parser.set_defaults(run=run, always=tuple(always))


def run(chosen: argparse.Namespace) -> int:
    """Search, and return 0 if there is a culprit, 1 if there is none."""
    if len(chosen.ends) > 2:
        raise DuetError(f"GOOD and BAD are two, not {len(chosen.ends)}; what is for pytest stands behind --.")
    revisions = revisions_between(*chosen.ends)
    arguments = [*chosen.always, *chosen.pytest]
    question = {"revisions": [each.name for each in revisions], "metric": chosen.metric, "arguments": arguments}
    journal = Journal.open(Path(chosen.storage), question)
    if journal.probes:
        print(f"{journal.path}: going on after {len(journal.probes)} sessions (remove it to begin anew)")
    return Bisection(revisions, arguments, chosen.metric, journal, chosen.storage).run()


@dataclass
class Bisection:
    """One search.

    :param revisions: the good one first, the bad one last.
    :param arguments: for pytest.
    """

    revisions: list[Revision]
    arguments: list[str]
    metric: str
    journal: Journal
    storage: str

    def __post_init__(self) -> None:
        self.error = bisection.error_of_each(len(self.revisions))
        self.margins: list[str] = []  # the gate's own, until one knows how large the change is

    def run(self) -> int:
        good, bad = self.revisions[0], self.revisions[-1]
        print(f"{len(self.revisions)} revisions, from {good} to {bad}", flush=True)
        whole = self.probe(bad, good)
        one = whole.comparison
        if one is None:
            raise DuetError(f"{bad.name} beside {good.name} could not be measured: {whole.why}")
        if one.verdict not in CHANGED:
            print(f"Nothing to search for: {good.name} and {bad.name} differ by no more than the margin.")
            return NOT_FOUND
        worse = one.verdict is Verdict.REGRESSED
        if one.low:  # else it has no interval: it is the same or not
            share = bisection.half_way(bisection.change(one))
            self.margins = [f"--duet-gate-margin={margin_text(one.metric, share, whole.unit)}"]
        search = Search(len(self.revisions))
        while (number := search.next()) is not None:
            found = self.probe(self.revisions[number], good)
            its = found.comparison
            search.answers[number] = bisection.answer(its, worse) if its else Answer.BROKEN
        return self.tell(search)

    def probe(self, new: Revision, old: Revision) -> Probe:
        """Return what a session says of one revision beside another; of one that is known, without running it."""
        known = self.journal.find(new.name, old.name)
        if known is None:
            known = self._run(new, old)
            self.journal.add(known)
        print(f"{new}, beside {old.name}: {told(known)}", flush=True)
        return known

    def _run(self, new: Revision, old: Revision) -> Probe:
        began = time.monotonic()
        try:
            session = run_session(self._line(new, old), f"file://{Path(self.storage).absolute()}")
        except DuetError as error:  # an environment that cannot be made
            return Probe(new.name, old.name, time.monotonic() - began, why=str(error))
        took = time.monotonic() - began
        if session.run is None or session.run.gate is None:
            return Probe(new.name, old.name, took, why=f"the session ended so:\n{session.printed}")
        gate = session.run.gate
        judged = {one.benchmark for one in gate.comparisons}
        if len(judged) != 1:
            raise DuetError(f"One benchmark is to be searched for, and there are {len(judged)}: name it after --.")
        exact = [one for one in gate.comparisons if one.metric == self.metric]
        (one, *_) = exact or [one for one in gate.comparisons if not gate.metrics[one.metric].exact]
        if one.verdict in (Verdict.VOID, Verdict.MISSING):
            return Probe(new.name, old.name, took, why=one.note)
        return Probe(new.name, old.name, took, one, gate.metrics[one.metric].unit)

    def _line(self, new: Revision, old: Revision) -> list[str]:
        sides = [f"--duet-against={old.side()}", f"--duet-new={new.side()}"]
        how = [f"--duet-gate-metrics={self.metric}", f"--duet-gate-alpha={self.error}", *self.margins]
        return [*self.arguments, *sides, *how]

    def tell(self, search: Search) -> int:
        """Say who did it, how sure that is and what it took; return the exit code."""
        before, culprits = self.revisions[search.good], self.revisions[search.good + 1 : search.bad + 1]
        if len(culprits) > 1:
            print(f"\nOne of these changed it; of all but the last, no trials told: {', '.join(map(str, culprits))}")
            self._tell_cost()
            return 0
        its = self.probe(culprits[0], before)
        confirmed = bool(its.comparison and its.comparison.verdict in CHANGED)
        error = bisection.worst_error(self.error, search.answered)
        if confirmed:
            print(f"\n{culprits[0]} did it: {told(its)}. This is wrong with a probability of {error:.1%} at the most.")
        else:
            print(
                f"\n{culprits[0]} would have to be it, but beside {before.name} it shows no such change: {told(its)}. "
                "More than one revision may have changed it, by a part each."
            )
        self._tell_cost()
        print(f"To see it again: python -m pytest {shlex.join(self._line(culprits[0], before))}")
        return 0 if confirmed else NOT_FOUND

    def _tell_cost(self) -> None:
        probes = self.journal.probes
        trials = sum(each.comparison.trials or 0 for each in probes if each.comparison)
        minutes, seconds = divmod(round(sum(each.seconds for each in probes)), 60)
        print(f"It took {len(probes)} sessions, {trials} paired trials, {minutes} min {seconds} s.")


def told(probe: Probe) -> str:
    """Return what a session said, in a few words."""
    one = probe.comparison
    if one is None:
        return f"not measured, {_reason(probe.why)}"
    trials = f"{one.trials} trial{'' if one.trials == 1 else 's'}"
    return f"{one.verdict}, {_how_much(one)}, {trials}, {probe.seconds:.0f} s"


def _reason(printed: str) -> str:
    """Return the line of what a session printed that says most: what comes below the heading of its first failure."""
    lines = printed.strip().splitlines()
    headings = [number for number, line in enumerate(lines[:-1]) if re.fullmatch(r"_{3,} .* _{3,}", line)]
    return lines[headings[0] + 1] if headings else lines[-1]


def _how_much(one: Comparison) -> str:
    if one.low is None or one.high is None:
        return one.note.rstrip(".") or f"{one.old} → {one.new}"
    return f"{bisection.change(one) - 1:+.1%} (interval {one.low - 1:+.1%} to {one.high - 1:+.1%})"
