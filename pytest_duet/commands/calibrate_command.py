"""``python -m pytest_duet calibrate``: what the gate can see on this machine."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_duet.commands.history_command import STORAGE
from pytest_duet.commands.sessions import run_session
from pytest_duet.errors import DuetError
from pytest_duet.plugin.options import MAX_TRIALS
from pytest_duet.record import calibrations
from pytest_duet.record.comparison import Verdict
from pytest_duet.record.history import WINDOW
from pytest_duet.record.saved_run import Run, read_run

if TYPE_CHECKING:
    from pytest_duet.record.calibrations import Calibrated


def add_parser(commands: Any, always: Iterable[str] = ()) -> None:
    """Declare the command to argparse; words that pytest is always given come before those of the command line."""
    what = "hold unchanged code against itself: its variation, false alarms, and the smallest slowdown that is caught"
    parser = commands.add_parser("calibrate", help=what, description=what)
    parser.add_argument("--sessions", type=int, default=10, metavar="N", help="default: 10")
    parser.add_argument("--against", action="store_true", help="calibrate --against, not --gate")
    files = "take these sessions, saved by --benchmark-json, and run none"
    parser.add_argument("--from", dest="files", nargs="+", type=Path, default=[], metavar="FILE", help=files)
    parser.add_argument("--storage", default=STORAGE, metavar="DIR", help=f"default: {STORAGE}")
    parser.add_argument("pytest", nargs="*", metavar="-- ARGUMENT", help="for pytest: which benchmarks, and how")
    parser.set_defaults(run=run, always=tuple(always))


def run(chosen: argparse.Namespace) -> int:
    """Run the sessions, print what they show and keep it; return 1 where the gate gave a false alarm in one."""
    from pytest_duet.judge import calibration  # its NumPy is nothing that `history` should wait for
    from pytest_duet.judge.verdict import Family

    if (len(chosen.files) or chosen.sessions) < calibration.LEAST_SESSIONS:
        raise DuetError(
            f"--sessions={len(chosen.files) or chosen.sessions}: give {calibration.LEAST_SESSIONS} or more."
        )
    mode = "against" if chosen.against else "history"
    runs = [_saved(path, mode) for path in chosen.files]
    for number in range(1, 0 if runs else chosen.sessions + 1):
        runs.append(_session([*chosen.always, *chosen.pytest, *(["--against=self"] if chosen.against else [])]))
        print(f"session {number} of {chosen.sessions}: {len(runs[-1].rows)} benchmarks", flush=True)
    gate = runs[0].gate
    assert gate and runs[0].fingerprint
    margins = {name: metric.against if chosen.against else metric.history for name, metric in gate.metrics.items()}
    sessions = calibrations.merged(run.rows for run in runs)
    family = Family(gate.metrics, dict.fromkeys(sessions[0], margins), len(sessions[0]))
    if chosen.against:
        found = calibration.by_pairs_sessions(sessions, family, gate.max_trials or 0, MAX_TRIALS)
    else:
        found = calibration.by_history_sessions(sessions, family, WINDOW)
    about = {"datetime": datetime.now(UTC).isoformat(), "sessions": len(runs), "arguments": chosen.pytest}
    path = calibrations.save(Path(chosen.storage), runs[0].fingerprint, mode, found, **about)
    _print(found, mode, calibration.POWER)
    print(f"\nwrote {path}")
    return 1 if any(one.false_alarms for one in found) else 0


def _saved(path: Path, mode: str) -> Run:
    found = read_run(path.parent, path.name)
    if found.gate is None or found.gate.mode != mode or not found.rows:
        raise DuetError(f"--from {path}: it is no session of {'--against' if mode == 'against' else '--gate'}.")
    return found


def _session(arguments: list[str]) -> Run:
    done = run_session(arguments)
    ended, found = f"it ended so:\n{done.printed}", done.run
    if found is None:
        raise DuetError(f"A session saved nothing; {ended}")
    regressed = any(one.verdict is Verdict.REGRESSED for one in found.comparisons)
    if done.exit_code and not regressed:
        raise DuetError(f"A session failed, and only sound ones can be calibrated by; {ended}")
    if not found.rows or found.gate is None:
        raise DuetError(
            "A session measured no benchmark that the gate knows: which ones are to be run? Name them after --."
        )
    return found


def _print(found: list[Calibrated], mode: str, power: float) -> None:
    what = "new/old from trial to trial" if mode == "against" else "from session to session"
    print(f"\nvariation: standard deviation {what}; catches: slowdowns found in {power:.0%} of sessions")
    names = [one.benchmark.partition("::")[2] for one in found]
    width = max(map(len, names), default=0)
    print(f"{'benchmark':{width}} {'metric':20} {'variation':>9} {'false alarms':>12} {'resolves':>8} {'catches':>8}")
    for name, one in zip(names, found):
        shares = f"{one.resolves:8.1%} {one.smallest_slowdown:8.1%}"
        print(f"{name:{width}} {one.metric:20} {one.variation:9.2%} {one.false_alarms:12d} {shares}")
