"""``python -m benchmarks history``: the saved runs, which of them count, and who said so."""

from __future__ import annotations

import getpass
import re
from pathlib import Path

from benchmarks.errors import SuiteError
from benchmarks.judge.history import History
from benchmarks.judge.storage import lock, number

STORAGE = ".benchmarks"


def add_parser(commands):
    """Declare the command to argparse."""
    parser = commands.add_parser("history", help="list, show, accept, reject and prune saved runs; check the storage")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run, what in (
        ("list", list_runs, "all runs, oldest first"),
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


def list_runs(chosen):
    """Print a line a run: its name, date, commit, state, and why it is in that state."""
    history = open_history(chosen.storage)
    for name in history.names():
        try:
            run = history.read(name)
        except SuiteError as error:
            print(f"{name}  damaged: {error}")
            continue
        state, why = history.state(run)
        starts = "; starts a new window" if history.journal.restarts(name) else ""
        print(f"{name}  {run.when[:16]}  {run.commit[:10]:10}  {state:8}  {why}{starts}".rstrip())


def show(chosen):
    """Print what the gate said of each run."""
    history = open_history(chosen.storage)
    for name in find(history, chosen.runs):
        run = history.read(name)
        state, why = history.state(run)
        print(f"{name}: {state}{f', {why}' if why else ''}")
        for cell in run.cells:
            change = f" {cell['was']:.6g} -> {cell['now']:.6g}" if cell["was"] is not None else ""
            bounds = f", new/old {cell['low']:.3f} to {cell['high']:.3f}" if cell["low"] is not None else ""
            note = f" ({cell['note'].rstrip('.')})" if cell["note"] else ""
            print(f"  {cell['benchmark']} {cell['metric']}: {cell['verdict']}{change}{bounds}{note}")
        if not run.cells:
            print("  The gate was not asked about this run.")


def accept(chosen):
    """Let runs count. Benchmarks that changed in one of them are judged from the first of them on."""
    history = open_history(chosen.storage)
    names = find(history, chosen.runs)
    restarts = sorted({benchmark for name in names for benchmark in history.read(name).changed})
    history.journal.add("accept", names, restarts, getpass.getuser(), chosen.why)
    print(f"accepted: {', '.join(names)}")
    for benchmark in restarts:
        print(f"a new window starts with {names[0]} for {benchmark}")


def reject(chosen):
    """Let runs not count."""
    history = open_history(chosen.storage)
    names = find(history, chosen.runs)
    history.journal.add("reject", names, (), getpass.getuser(), chosen.why)
    print(f"rejected: {', '.join(names)}")


def prune(chosen):
    """Delete the runs of each folder that are older than its newest ones; their decisions stay in the journal."""
    if chosen.keep < 1:
        raise SuiteError(f"--keep={chosen.keep}: give 1 or more.")
    history = open_history(chosen.storage)
    for names in history.folders():
        for name in names[: -chosen.keep]:
            path = history.directory / name
            if chosen.yes:
                with lock(path.parent):
                    path.unlink(missing_ok=True)
            print(f"{'deleted' if chosen.yes else 'would delete'} {name}")
    if not chosen.yes:
        print("Nothing was deleted; --yes deletes.")


def doctor(chosen):
    """Say what is damaged or left over; return 1 if anything is damaged."""
    history = open_history(chosen.storage)
    runs = list(history.newest_first())
    damage = [damaged.why for damaged in history.damaged]
    damage += [f"{line}: this line of the journal is no decision." for line in history.journal.damaged]
    hints = [
        f"{path}: left by a session that was killed while saving; delete it."
        for path in history.directory.glob("*/.*.tmp")
    ]
    for names in history.folders():
        numbers = [number(Path(name)) for name in names]
        hints += [
            f"{name}: there is another run with this number." for name, n in zip(names, numbers) if numbers.count(n) > 1
        ]
    hints += [f"{run.name}: none of its benchmarks is this suite's." for run in runs if not run.rows]
    known = set(history.names())
    hints += [
        f"{name}: there is a decision about it, and no such run any more."
        for name in sorted({name for decision in history.journal.decisions for name in decision.runs} - known)
    ]
    for line in damage + hints:
        print(line)
    states = [history.state(run)[0] for run in runs]
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("accepted", "held", "rejected"))
    print(f"{len(known)} runs: {counts}, {len(history.damaged)} damaged.")
    return 1 if damage else 0


def open_history(directory):
    """Return the :class:`History` in a storage folder.

    :raises SuiteError: where there is no such folder.
    """
    if not Path(directory).is_dir():
        raise SuiteError(f"--storage={directory}: there is no such folder; a run saved with --gate makes it.")
    return History(directory)


def find(history, texts):
    """Return the names of the runs that somebody means, in the order of the history.

    :param texts: numbers, ``"3..7"``, ``"latest"``, or names.
    :raises SuiteError: where a text means no run, or more than one.
    """
    found, names = set(), history.names()
    for text in texts:
        if text == "latest":
            matches = [next((run.name for run in history.newest_first()), None)]
        elif bounds := re.fullmatch(r"(\d+)\.\.(\d+)", text):
            low, high = map(int, bounds.groups())
            matches = [name for name in names if low <= number(Path(name)) <= high]
        elif text.isdigit():
            matches = [name for name in names if number(Path(name)) == int(text)]
            if len(matches) > 1:
                raise SuiteError(f"{text} may be {' or '.join(matches)}; give the name.")
        else:
            matches = [name for name in names if text in (name, Path(name).name, Path(name).stem)]
        if not matches or None in matches:
            raise SuiteError(f"There is no run {text} in {history.directory}; `history list` names them.")
        found.update(matches)
    return [name for name in names if name in found]
