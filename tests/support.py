"""What several of the tests need."""

import os
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TRAINERS = ROOT / "tests" / "liars" / "trainers.py"
uncovered = pytest.mark.skipif("COVERAGE_PROCESS_CONFIG" in os.environ, reason="coverage's own work would be counted")


def left_behind(directory):
    """Return the processes that still belong to a run; each worker carries the run's cache in its environment."""
    found = []
    import psutil  # a GPU's image need not have it

    for process in psutil.process_iter():
        try:
            if process.environ().get("FRAMEWORK_BENCHMARKS_CACHE") == str(directory / "cache"):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def wait_until(condition, seconds):
    """Poll until the condition holds; fail when the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


class Terminal:
    """A terminal reporter that keeps what is written."""

    hasmarkup = False

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def write_line(self, text, **_):
        self.text += f"{text}\n"

    def section(self, title, sep):
        self.text += f"{sep} {title} {sep}\n"

    def ensure_newline(self):
        pass

    @property
    def widest(self):
        return max(map(len, self.text.splitlines()))
