"""``python -m pytest_duet history``: the saved runs, which of them count, and who said so."""

from __future__ import annotations

import getpass
import os
import re
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pytest_duet.commands import history_merge
from pytest_duet.errors import DuetError
from pytest_duet.record.history import History
from pytest_duet.record.storage import lock, number
from pytest_duet.report.verdicts import headline

STORAGE = ".benchmarks"


def add_parser(commands: Any) -> None:
    """Declare the command to argparse."""
    parser = commands.add_parser("history", help="list, show, accept, reject and prune saved runs; check the storage")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run, what in (
        ("list", list_runs, "all runs, folder by folder, oldest first"),
        ("show", show, "what the gate said of a run"),
        ("accept", accept, "let runs count; one that regressed or improved starts a new window"),
        ("reject", reject, "let runs not count"),
        ("prune", prune, "delete the oldest runs"),
        ("doctor", doctor, "look for damaged files; exit code 1 if there are any"),
    ):
        action = actions.add_parser(name, help=what, description=what)
        action.add_argument("--storage", default=STORAGE, metavar="DIR", help=f"default: {STORAGE}")
        action.set_defaults(run=run)
        if name in ("show", "accept", "reject"):
            action.add_argument("runs", nargs="+", metavar="RUN", help="a number, 3..7, latest, or a file's name")
        if name in ("accept", "reject"):
            action.add_argument("--why", default="", metavar="TEXT", help="kept with the decision")
        if name == "prune":
            action.add_argument("--keep", type=int, default=200, metavar="N", help="newest runs to keep (default: 200)")
            action.add_argument("--yes", action="store_true", help="really delete; else only say what would go")
    history_merge.add_action(actions, STORAGE)


def list_runs(chosen: Namespace) -> None:
    """Print a line a run: its number, date, commit, state, what the gate said, and why it is in that state."""
    history = open_history(chosen.storage)
    for names in history.folders():
        print(Path(names[0]).parent)
        for name in names:
            print(f"{number(Path(name)) or Path(name).name!s:>6}  {_in_a_line(history, name)}".rstrip())
    if not history.names():
        print(f"There is no run in {history.directory} yet.")


def _in_a_line(history: History, name: str) -> str:
    try:
        run = history.read(name)
    except DuetError as error:
        return str(error)
    state, why = history.state(run)
    said = headline(run.gate) if run.comparisons and run.gate else "not judged"
    starts = ["starts a new window"] if history.journal.restarts(name) else []
    notes = "; ".join([said, *filter(None, [why]), *starts])
    return f"{run.when[:16].replace('T', ' ')}  {run.commit[:10]:10}  {state:8}  {notes}"


def show(chosen: Namespace) -> None:
    """Print what the gate said of each run."""
    history = open_history(chosen.storage)
    for name in find(history, chosen.runs):
        run = history.read(name)
        state, why = history.state(run)
        print(f"{name}: {state}{f', {why}' if why else ''}")
        for benchmark in run.merged.missing if run.merged else ():
            print(f"  {benchmark}: missing")
        for one in run.comparisons:
            change = "" if None in (one.old, one.new) else f" {one.old:.6g} → {one.new:.6g}"
            bounds = "" if None in (one.low, one.high) else f", interval {one.low:.3f} to {one.high:.3f}"
            note = f" ({one.note.rstrip('.')})" if one.note else ""
            print(f"  {one.benchmark} {one.metric}: {one.verdict}{change}{bounds}{note}")
        if not run.comparisons:
            print("  The gate was not asked about this run.")


def accept(chosen: Namespace) -> None:
    """Let runs count. What changed in one of them, metric by metric, is judged from the first of them on."""
    history = open_history(chosen.storage)
    runs = sorted(map(history.read, find(history, chosen.runs)), key=lambda run: run.when)
    names = [run.name for run in runs]
    restarts = sorted({f"{benchmark} {metric}" for run in runs for benchmark, metric in run.changed})
    _decide(chosen, history, "accept", names, restarts)
    for restart in restarts:
        print(f"a new window starts with {names[0]} for {restart}")
    for run in runs:
        if run.gate and run.gate.failed_tests:
            print(f"{run.name}: accepted although {run.gate.failed_tests} of its tests failed; reject revokes it")


def reject(chosen: Namespace) -> None:
    """Let runs not count."""
    history = open_history(chosen.storage)
    _decide(chosen, history, "reject", find(history, chosen.runs))


def _decide(chosen: Namespace, history: History, what: str, names: list[str], restarts: Sequence[str] = ()) -> None:
    try:
        who = getpass.getuser()
    except (KeyError, OSError, ImportError):
        who = ""  # a container's nameless user
    history.journal.add(what, names, restarts, who, " ".join(chosen.why.split()))
    print(f"{what}ed: {', '.join(names)}")


def prune(chosen: Namespace) -> None:
    """Delete the runs of each folder that are older than its newest ones; their decisions stay in the journal."""
    if chosen.keep < 1:
        raise DuetError(f"--keep={chosen.keep}: give 1 or more.")
    history = open_history(chosen.storage)
    old = [name for names in history.folders() for name in names[: -chosen.keep]]
    for name in old:
        path = history.directory / name
        if chosen.yes:
            with lock(path.parent):
                path.unlink(missing_ok=True)
        print(f"{'deleted' if chosen.yes else 'would delete'} {name}")
    if not old:
        print(f"No folder has more than {chosen.keep} runs.")
    elif not chosen.yes:
        print("Nothing was deleted; --yes deletes.")


def doctor(chosen: Namespace) -> int:
    """Say what is damaged or left over; return 1 if anything is damaged."""
    history = open_history(chosen.storage)
    runs = list(history.newest_first())
    damage = [*history.damaged.values(), *history.journal.damaged]
    hints = [
        f"{path}: left by a session that was killed while saving; delete it."
        for path in history.directory.glob("*/.*.tmp")
    ]
    for names in history.folders():
        count = Counter(number(Path(name)) for name in names)
        hints += [f"{name}: there is another run with this number." for name in names if count[number(Path(name))] > 1]
    hints += [f"{run.name}: none of its benchmarks has a row of pytest-duet's." for run in runs if not run.rows]
    known = set(history.names())
    gone = {name for decision in history.journal.decisions for name in decision.runs} - known
    hints += [f"{name}: there is a decision about it, and no such run any more." for name in sorted(gone)]
    for line in damage + hints:
        print(line)
    states = [history.state(run)[0] for run in runs]
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("accepted", "pending", "rejected"))
    print(f"{len(known)} runs: {counts}, {len(history.damaged)} damaged.")
    return 1 if damage else 0


def open_history(directory: str) -> History:
    """Return the :class:`History` in a storage folder, DIR or ``file://DIR``; a DuetError where there is none."""
    folder = Path(directory.removeprefix("file://"))
    if not folder.is_dir():
        raise DuetError(f"--storage={directory}: there is no such folder; a run saved with --gate makes it.")
    return History(folder)


def find(history: History, texts: Iterable[str]) -> list[str]:
    """Return the names of the runs that somebody means, in the order of the history.

    :param texts: numbers, ``"3..7"``, ``"latest"``, or names of files, with or without their folders.
    :raises DuetError: where a text means no run, or more than one.
    """
    found: set[str] = set()
    names = history.names()
    for text in texts:
        if text == "latest":
            matches = [run.name for run in islice(history.newest_first(), 1)]
        elif bounds := re.fullmatch(r"([0-9]{1,9})(?:\.\.([0-9]{1,9}))?", text):
            low, high = int(bounds[1]), int(bounds[2] or bounds[1])
            matches = [name for name in names if low <= number(Path(name)) <= high]
            _refuse_two(text, matches, key=lambda name: number(Path(name)))
        else:
            there, root = Path(os.path.realpath(text)), Path(os.path.realpath(history.directory))
            matches = [
                name for name in names if text in (name, Path(name).name, Path(name).stem) or there == root / name
            ]
            _refuse_two(text, matches, key=lambda name: text)
        if not matches:
            raise DuetError(f"There is no run {text} in {history.directory}; `history list` names them.")
        found.update(matches)
    return [name for name in names if name in found]


def _refuse_two(text: str, matches: list[str], key: Callable[[str], object]) -> None:
    """Raise where two runs are what should be one: a number or a name that two folders have."""
    groups = defaultdict(list)
    for name in matches:
        groups[key(name)].append(name)
    for same in groups.values():
        if len(same) > 1:
            raise DuetError(f"{text} may be {' or '.join(same)}; give the name with its folder.")
