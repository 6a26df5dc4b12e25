"""Sessions of pytest that a command runs, and reads by what they saved."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pytest_duet.record.saved_run import Run

TAIL = 5_000  # characters of what a session printed, which end a message


@dataclass(frozen=True)
class Session:
    """One that is over.

    :param run: what it saved; None if nothing.
    :param printed: the end of what it printed.
    """

    run: Run | None
    exit_code: int
    printed: str


def run_session(arguments: list[str], storage: str | None = None) -> Session:
    """Run pytest with these arguments, which saves its run for this one's eyes.

    :param storage: of the earlier runs and the calibrations; None for an empty one.
    """
    with tempfile.TemporaryDirectory(prefix="duet-session-") as directory:
        json_file = Path(directory) / "run.json"
        line = [sys.executable, "-m", "pytest", *arguments, f"--benchmark-json={json_file}", "-p", "no:cacheprovider"]
        line += [f"--benchmark-storage={storage or f'file://{directory}/storage'}"]
        done = subprocess.run(line, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        saved = json_file.exists()
        run = Run.from_json("run.json", json.loads(json_file.read_text())) if saved else None
    return Session(run, done.returncode, done.stdout[-TAIL:])
