"""How often does bisect find the culprit? ``python -m tests.bisected FILE --sessions 20 [-- option of pytest ...]``.

Each session makes a repository of sixteen commits, of which one, drawn at random, has a test of some milliseconds do
5 % more; then it asks who did it. A line of the file is a session: ``culprit`` and ``found`` are numbers of commits
from 0 on (``found`` is null where it named more than one, or none), and ``seconds``. Those that are there are not run
again. Nothing else may run meanwhile.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.planted_tests import CODE
from tests.sessions import FAST, ROOT, git

COMMITS, SHARE, STEPS = 16, 0.05, 100_000
TEST = "from mine import STEPS, work\ndef test_milliseconds(benchmark):\n    benchmark(work, STEPS)\n"


def make(folder, culprit):
    for file, text in (("test_mine.py", TEST), ("pytest.ini", "[pytest]\npythonpath = .\n")):
        (folder / file).write_text(text)
    git(folder, "init", "-q")
    for number in range(COMMITS):
        steps = round(STEPS * (1 + SHARE)) if number >= culprit else STEPS
        (folder / "mine.py").write_text(f"STEPS = {steps}  # commit {number}\n{CODE}")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", f"commit {number}")


def session(culprit, arguments):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, culprit)
        line = [sys.executable, "-m", "pytest_duet", "bisect", f"git:HEAD~{COMMITS - 1}..HEAD"]
        line += ["--", "-p", "pytest_duet.plugin", *FAST, "test_mine.py", *arguments]
        began = time.monotonic()
        done = subprocess.run(
            line, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, capture_output=True
        )
        seconds = time.monotonic() - began
    said = re.search(r"commit (\d+) did it", done.stdout)
    found = int(said[1]) if said and done.returncode == 0 else None
    if found is None:
        print(done.stdout + done.stderr)
    return {"culprit": culprit, "found": found, "seconds": round(seconds, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no session after so many")
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    chosen = parser.parse_args(sys.argv[1:end])
    kept = [json.loads(line) for line in chosen.file.read_text().splitlines()] if chosen.file.exists() else []
    until = time.monotonic() + 60 * chosen.minutes
    while len(kept) < chosen.sessions and time.monotonic() < until:
        kept.append(session(random.Random(len(kept)).randrange(1, COMMITS), sys.argv[end + 1 :]))
        with open(chosen.file, "a") as file:
            file.write(json.dumps(kept[-1]) + "\n")
        print(kept[-1], flush=True)
    right = sum(one["found"] == one["culprit"] for one in kept)
    wrong = sum(one["found"] not in (one["culprit"], None) for one in kept)
    took = median(one["seconds"] for one in kept)
    print(f"right {right} of {len(kept)}, wrong {wrong}, the others named several or none; median {took:.0f} s")


if __name__ == "__main__":
    main()
