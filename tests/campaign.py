"""How good is the gate, on this machine? ``python -m tests.campaign KIND FOLDER --sessions 20 -- ARGUMENTS OF PYTEST``.

Sessions whose right answer is known, one after the other, on an idle machine. Of ``--against``: ``aa``, unchanged code
against itself; ``hog``, the same with a busy loop beside it from half-way on; ``planted:torch:0.05``, a trainer that
takes so many more steps (tests/plant.py). Of ``--gate``: ``history``, unchanged code, each session the next one's
history; ``history:torch:0.1``, a slower trainer, each session with the same history, which it finds at FOLDER/history
and leaves as it is. A session that is already in the folder is not run again. In the end, and with ``--sessions 0``, it
prints what those in the folder said of each benchmark.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean, median, stdev

from pytest_duet.judge.by_pairs import evidence
from pytest_duet.record.saved_run import Run
from pytest_duet.workers.process import ROOT


@contextmanager
def planted(name, share):
    """Give a clone of the last commit, and one on top of it that is slower."""
    with tempfile.TemporaryDirectory(prefix="campaign-") as directory:
        git = ["git", "-C", directory, "-c", "user.name=campaign", "-c", "user.email=campaign@example.org"]
        subprocess.run(["git", "clone", "--quiet", str(ROOT), directory], check=True)
        subprocess.run([sys.executable, "-m", "tests.plant", name, share], cwd=directory, check=True)
        subprocess.run([*git, "commit", "--quiet", "--all", "--message=planted"], check=True)
        yield directory


@contextmanager
def busy_after(seconds):
    code = f"import time; time.sleep({seconds}); exec('while True: pass')"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            yield
        finally:
            process.kill()


def run(kind, arguments, path, half_way):
    """Run one session, and keep what it saved, its wall seconds beside it."""
    with ExitStack() as stack:
        name, *slower = kind.split(":")
        where = stack.enter_context(planted(*slower)) if slower else ROOT
        if kind == "hog":
            stack.enter_context(busy_after(half_way))
        saved, storage = path.with_suffix(".part"), path.parent / "history"
        asked = ["--against=git:HEAD~1" if slower else "--against=self"]
        if name == "history":
            if slower:
                storage = shutil.copytree(storage, f"{where}/.benchmarks")
            asked = ["--gate", f"--benchmark-storage=file://{storage}"]
        line = [sys.executable, "-m", "pytest", "benchmarks", *asked, f"--benchmark-json={saved}"]
        began = time.monotonic()
        done = subprocess.run([*line, *arguments], cwd=where, text=True, capture_output=True)
        seconds = time.monotonic() - began
        if not saved.exists():
            raise SystemExit(f"a session saved nothing:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        kept = json.loads(saved.read_text()) | {"campaign": {"kind": kind, "wall_seconds": round(seconds, 1)}}
        path.write_text(json.dumps(kept))
        path.with_suffix(".txt").write_text(done.stdout)
        saved.unlink()


def summary(paths):
    """Print, benchmark by benchmark, what the sessions said of its time, and how its trials scattered."""
    said, trials, shifts, walls = defaultdict(Counter), defaultdict(list), defaultdict(list), []
    for path in paths:
        plain = json.loads(path.read_text())
        found = Run.from_json(path.name, plain)
        walls.append(plain["campaign"]["wall_seconds"])
        for metric in (metric for metric in found.gate.metrics.values() if not metric.exact):
            for one in found.gate.comparisons:
                if one.metric == metric.name:
                    name = (one.subject, metric.title)
                    said[name][str(one.verdict)] += 1
                    trials[name].append(one.trials or 0)
                    row = found.rows.get(one.benchmark)
                    paired = [each.row for each in row.again if each.row] or [row] if row else []
                    seen = [evidence(each, metric) for each in paired]
                    shifts[name] += [shift for each in seen if each for shift in each.shifts]
    print(f"{len(walls)} sessions of {min(walls):.0f} to {max(walls):.0f} s, median {median(walls):.0f} s")
    for name, counts in said.items():
        ratios = shifts[name]
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        scatter = f"ratios {mean(ratios):+.2%} ± {stdev(ratios):.2%}" if len(ratios) > 1 else ""
        used = f"{min(trials[name])} to {max(trials[name])}, median {median(trials[name]):g}"
        print(f"{' '.join(name):24} {verdicts}; trials {used}; {scatter}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", help="aa, hog, planted:FRAMEWORK:SHARE, history or history:FRAMEWORK:SHARE")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no session after so many")
    parser.add_argument("--half-way", type=float, default=60, metavar="SECONDS", help="when a hog begins (default: 60)")
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    arguments, for_pytest = parser.parse_args(sys.argv[1:end]), sys.argv[end + 1 :]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * arguments.minutes
    name = arguments.kind.replace(":", "-")
    paths = [arguments.folder.absolute() / f"{name}-{number:02}.json" for number in range(1, arguments.sessions + 1)]
    for path in paths:
        if not path.exists() and time.monotonic() < until:
            run(arguments.kind, for_pytest, path, arguments.half_way)
            print(f"{path.name} done", flush=True)
    known = sorted(arguments.folder.glob(f"{name}-*.json"))
    if known:
        summary(known)


if __name__ == "__main__":
    main()
