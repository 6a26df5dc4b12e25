"""``python -m pytest_duet calibrate``: what the gate can see on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_duet.commands.history_command import STORAGE
from pytest_duet.errors import DuetError
from pytest_duet.judge.verdict import Verdict
from pytest_duet.record.history import WINDOW
from pytest_duet.record.metrics import METRICS
from pytest_duet.record.saved_run import Run


def add_parser(commands: Any, always: Iterable[str] = ()) -> None:
    """Declare the command to argparse.

    :param always: words for pytest that come before whoever calls gives more.
    """
    what = "hold unchanged code against itself: its variation, false alarms, and the smallest slowdown that is caught"
    parser = commands.add_parser("calibrate", help=what, description=what)
    parser.add_argument("--sessions", type=int, default=10, metavar="N", help="default: 10")
    parser.add_argument("--against", action="store_true", help="calibrate --against, not --gate")
    parser.add_argument("--storage", default=STORAGE, metavar="DIR", help=f"default: {STORAGE}")
    parser.add_argument("pytest", nargs="*", metavar="-- ARGUMENT", help="for pytest: which benchmarks, and how")
    parser.set_defaults(run=run, always=tuple(always))


def run(chosen: Any) -> int:
    """Run the sessions, print what they show and keep it; return 1 where the gate gave a false alarm in one."""
    from pytest_duet.judge import calibration  # its NumPy is nothing that `history` should wait for

    if chosen.sessions < calibration.LEAST_SESSIONS:
        raise DuetError(f"--sessions={chosen.sessions}: give {calibration.LEAST_SESSIONS} or more.")
    mode = "against" if chosen.against else "history"
    runs = []
    for number in range(1, chosen.sessions + 1):
        runs.append(_session(["--against=self"] if chosen.against else [], [*chosen.always, *chosen.pytest]))
        print(f"session {number} of {chosen.sessions}: {len(runs[-1].rows)} benchmarks", flush=True)
    margins = {name: getattr(metric, mode) for name, metric in METRICS.items()}
    sessions = [run.rows for run in runs]
    if chosen.against:
        cells = calibration.by_pairs_sessions(sessions, lambda name: margins, runs[0].data["gate"]["max_trials"])
    else:
        cells = calibration.by_history_sessions(sessions, lambda name: margins, WINDOW)
    about = {"datetime": datetime.now(UTC).isoformat(), "sessions": chosen.sessions, "arguments": chosen.pytest}
    path = calibration.save(Path(chosen.storage), runs[0].fingerprint, mode, cells, **about)
    _print(cells, mode, calibration.POWER)
    print(f"\nwrote {path}")
    return 1 if any(cell.false_alarms for cell in cells) else 0


def _session(mode: list[str], arguments: list[str]) -> Run:
    with tempfile.TemporaryDirectory(prefix="benchmark-calibrate-") as directory:
        json_file = Path(directory) / "run.json"
        line = [sys.executable, "-m", "pytest", *arguments, *mode, f"--benchmark-json={json_file}"]
        line += ["-p", "no:cacheprovider", f"--benchmark-storage=file://{directory}/storage"]
        done = subprocess.run(line, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if not json_file.exists():
            raise DuetError(f"A session saved nothing; it ended so:\n{done.stdout[-5_000:]}")
        found = Run("run.json", json.loads(json_file.read_text()))
    regressed = any(cell["verdict"] == Verdict.REGRESSED for cell in found.cells)
    if done.returncode and not regressed:
        raise DuetError(
            f"A session failed, and only sound ones can be calibrated by; it ended so:\n{done.stdout[-5_000:]}"
        )
    return found


def _print(cells: list[Any], mode: str, power: float) -> None:
    what = "new/old from trial to trial" if mode == "against" else "from session to session"
    print(f"\nvariation: standard deviation {what}; catches: slowdowns found in {power:.0%} of sessions")
    width = max((len(cell.benchmark.partition("::")[2]) for cell in cells), default=0)
    print(f"{'benchmark':{width}} {'metric':20} {'variation':>9} {'false alarms':>12} {'resolves':>8} {'catches':>8}")
    for cell in cells:
        name = cell.benchmark.partition("::")[2]
        print(
            f"{name:{width}} {cell.metric:20} {cell.variation:9.2%} {cell.false_alarms:12d} {cell.resolves:8.1%} "
            f"{cell.smallest_slowdown:8.1%}"
        )
