"""How well ``--against`` tells plain tests of pytest-benchmark apart, on the machine that it runs on.

    python -m tests.planted_tests SHARE SESSIONS [option of pytest ...]

makes a repository with two tests, one of microseconds and one of some ten milliseconds, plants SHARE more work (0 for
none, 0.03 for 3 %) into the code of today, and runs ``pytest --against=git:HEAD`` as often; prints every verdict, and
how long each session took. Nothing else may run meanwhile.
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.sessions import git, run, saved

STEPS = {"microseconds": 100, "milliseconds": 200_000}
CODE = """
def work(steps):
    total = 0
    for number in range(steps):
        total += number * number
    return total
"""
TESTS = """
from mine import STEPS, work
def test_microseconds(benchmark):
    benchmark(work, STEPS["microseconds"])
def test_milliseconds(benchmark):
    benchmark(work, STEPS["milliseconds"])
"""


def main(share, sessions, *arguments):
    verdicts = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code = f"STEPS = {STEPS}\n{CODE}"
        for file, text in (("mine.py", code), ("test_mine.py", TESTS), ("pytest.ini", "[pytest]\npythonpath = .\n")):
            (folder / file).write_text(text)
        git(folder, "init", "-q")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "then")
        planted = {name: round(steps * (1 + float(share))) for name, steps in STEPS.items()}
        (folder / "mine.py").write_text(f"STEPS = {planted}\n{CODE}")
        for _ in range(int(sessions)):
            began = time.monotonic()
            run(folder, {}, "--against=git:HEAD", *arguments, code=None, timeout=3600)
            took = time.monotonic() - began
            for one in saved(folder)["gate"]["comparisons"]:
                if one["metric"] == "seconds":
                    test = one["benchmark"].rpartition("::")[2]
                    verdicts[test, one["verdict"]] += 1
                    low, high = one["low"] or float("nan"), one["high"] or float("nan")
                    print(f"{test} {one['verdict']} {low:.4f} to {high:.4f}, {one['trials']} trials", flush=True)
            print(f"{took:.0f} s", flush=True)
    for (test, verdict), count in sorted(verdicts.items()):
        print(f"{test}: {verdict} {count} of {sessions}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.TimeoutExpired as error:
        sys.exit(str(error))
