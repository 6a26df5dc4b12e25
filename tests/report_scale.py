"""How the report scales: ``python -m tests.report_scale 100 1000 10000`` makes histories of so many runs and times it.

The runs are a real one with other figures, written as pytest-benchmark writes them. Wanted: 10,000 runs in 20 s and
1 GB, a page below 8 MB, and a cost that grows as the runs do.
"""

import json
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.training_row import TrainingRow
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.old_schemas import METRICS
from pytest_duet.record.row import Row
from pytest_duet.record.saved_run import GateRecord

ROOT = Path(__file__).parents[1]
REAL = ROOT / "results" / "2026-11-21-cpu-2-cores.json"
FOLDER = Path(tempfile.gettempdir()) / "report-scale"
FRAMEWORKS, TRIALS, EPOCHS = 4, 3, 6
# What differs from run to run; the rest of a real run stays as it is.
FIGURES = re.compile(
    r'("(?:\w*seconds|\w*per_second|min|max|mean|median|q1|q3|iqr|stddev|total|\w*rss_bytes|\w*peak_bytes'
    r'|\w*average_bytes|old|new)": )([0-9][0-9.e+-]*)'
)


def template():
    """Return the text of a run of four frameworks, three trials and six epochs, in parts to be joined by figures."""
    data = json.loads(REAL.read_text())
    real = [bench for bench in data["benchmarks"] if len(bench["extra_info"]["trials"][0]["epochs"]) >= EPOCHS]
    data["benchmarks"] = [_made(real[number % len(real)], f"-{number}") for number in range(FRAMEWORKS)]
    comparisons = [
        Comparison(bench["fullname"], "", metric, Verdict.CLEAN, 1.0, 1.0, 0.99, 1.01, 1.05, 0.01, TRIALS, 20)
        for bench in data["benchmarks"]
        for metric in METRICS
    ]
    data["gate"] = GateRecord("history", comparisons=comparisons, metrics=METRICS).as_json()
    data["datetime"], data["commit_info"]["id"] = "WHEN", "COMMIT"
    return FIGURES.split(json.dumps(data, indent=4))  # text, key, figure, text, key, figure, ..., text


def _made(bench, suffix):
    """Return a benchmark as it is written today, of a framework of another name."""
    row = Row.from_json(bench["extra_info"])
    framework, trials = row.subject + suffix, [replace(trial, rounds=trial.rounds[:EPOCHS]) for trial in row.trials]
    made = replace(row, subject=framework, trials=tuple(trials[at % len(trials)] for at in range(TRIALS)))
    names = {name: bench[name].replace(f"[{row.subject}", f"[{framework}") for name in ("name", "fullname")}
    return {
        **bench,
        **names,
        "extra_info": {**TrainingRow.from_json(bench["extra_info"]).as_json(), "duet": made.as_json()},
    }


def make(runs, storage):
    """Write a history of so many runs; return its bytes."""
    parts, random_, total = template(), random.Random(1), 0
    folder = storage / "Linux-CPython-3.11-64bit"
    folder.mkdir(parents=True)
    start = datetime(2016, 1, 1, tzinfo=UTC)
    for number in range(1, runs + 1):
        level = 1.08 if number > runs / 2 else 1.0  # one change to be found
        varied = list(parts)
        for at in range(2, len(parts), 3):
            figure = float(parts[at]) * level * random_.gauss(1, 0.02)
            varied[at] = repr(round(figure)) if parts[at].isdigit() else repr(figure)
        text = "".join(varied).replace("WHEN", (start + timedelta(hours=5 * number)).isoformat())
        text = text.replace("COMMIT", f"{number:040x}")
        total += (folder / f"{number:04}_{number:040x}.json").write_text(text)
    return total


def measure(runs):
    """Return what one report on so many runs takes, as a line."""
    storage, page = FOLDER / str(runs), FOLDER / "report.html"
    shutil.rmtree(storage, ignore_errors=True)
    free = shutil.disk_usage(FOLDER).free
    if free < 2 * runs * 120_000:
        return f"{runs:6,} runs: not enough space in {FOLDER}: {free / 2**30:.1f} GiB"
    try:
        size = make(runs, storage)
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        line = [sys.executable, "-m", "benchmarks", "report", f"--history={storage}", f"--output={page}"]
        done = subprocess.run(line, cwd=ROOT, text=True, capture_output=True)
        seconds = time.monotonic() - began
        if done.returncode:
            return f"{runs:6,} runs: exit code {done.returncode}: {done.stderr}"
        # The most of any child so far, in KiB on Linux: right as long as the numbers of runs rise.
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak, cpu = used.ru_maxrss * 1024, used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
        return (
            f"{runs:6,} runs, {size / 2**20:,.0f} MiB: {seconds:.1f} s ({cpu:.1f} s of CPU), "
            f"{peak / 2**20:,.0f} MiB of memory, a page of {page.stat().st_size / 2**20:.2f} MiB"
        )
    finally:
        shutil.rmtree(storage, ignore_errors=True)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for wanted in sorted(map(int, sys.argv[1:] or ["100", "1000", "10000"])):
        print(measure(wanted), flush=True)
