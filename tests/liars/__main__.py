"""What do harnesses make of a lie? ``python -m tests.liars [NAME ...]``, of those in tests/liars/plain.py, else of all.

Each is timed by pytest-benchmark, pyperf, torch.utils.benchmark and pytest-duet, as their authors would run it, on this
machine, one after the other. What is not installed is said to be so.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.liars.plain import KEPT, LIES

ROOT = Path(__file__).parents[2]
TEST = "from tests.liars.plain import {name}\n\n\ndef test_it(benchmark):\n    benchmark({name})\n"
PYPERF = """
import pyperf
from tests.liars.plain import {name}

pyperf.Runner().bench_func("{name}", {name})
"""
TORCH = """
import torch.utils.benchmark
from tests.liars.plain import {name}

print(torch.utils.benchmark.Timer("work()", globals={{"work": {name}}}).blocked_autorange(min_run_time=1).median)
"""


def run(line, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(line, cwd=folder, env=environment, text=True, capture_output=True, timeout=600)


def by_pytest_benchmark(name, folder):
    (folder / "test_it.py").write_text(TEST.format(name=name))
    run([sys.executable, "-m", "pytest", "-q", "test_it.py", "--benchmark-json=run.json"], folder)
    return json.loads((folder / "run.json").read_text())["benchmarks"][0]["stats"]["median"], ""


def by_pyperf(name, folder):
    (folder / "bench.py").write_text(PYPERF.format(name=name))
    done = run([sys.executable, "bench.py", "--fast", "--quiet", "-o", "run.json"], folder)
    if not (folder / "run.json").exists():
        return None, done.stderr.strip().splitlines()[-1]
    import pyperf

    warning = "warns that it is unstable" if "WARNING" in done.stdout else ""
    return pyperf.BenchmarkSuite.load(str(folder / "run.json")).get_benchmarks()[0].median(), warning


def by_torch(name, folder):
    (folder / "bench.py").write_text(TORCH.format(name=name))
    return float(run([sys.executable, "bench.py"], folder).stdout), ""


def by_pytest_duet(name, folder):
    (folder / "test_it.py").write_text(TEST.format(name=name))
    line = [sys.executable, "-m", "pytest", "-p", "pytest_duet.plugin", "test_it.py", "--duet-trials=3", "--gate"]
    done = run([*line, "--history-alone", "--benchmark-json=run.json"], folder)
    said = re.findall(r"(?:leaks: each round takes [^.]*\.\d|returns before its device has done)[^.]*", done.stdout)
    if not (folder / "run.json").exists():
        return None, f"fails: {said[0]}" if said else "fails"
    row = json.loads((folder / "run.json").read_text())["benchmarks"][0]["extra_info"]["duet"]
    metrics = {key: its["values"] for key, its in row["metrics"].items()}
    first, memory = metrics["first_seconds"][0], (metrics.get("peak_memory_bytes") or [0])[0]
    said += [f"first round {as_text(first)}", f"peak {memory / 2**20:,.0f} MiB"]
    replaced = row["trials"][0]["clocks_replaced"]
    said += [f"replaces {', '.join(replaced)}"] if replaced else []
    return sorted(metrics["seconds"])[1], "; ".join(said)


HARNESSES = {
    "pytest-benchmark": by_pytest_benchmark,
    "pyperf": by_pyperf,
    "torch": by_torch,
    "pytest-duet": by_pytest_duet,
}


def as_text(seconds):
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-4 else f"{seconds * 1e6:.3g} µs"


def installed(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "of this repository" if name == "pytest-duet" else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(LIES)}")
    chosen = parser.parse_args().names or list(LIES)
    for unknown in set(chosen) - set(LIES):
        parser.error(f"{unknown}: choose of {', '.join(LIES)}")
    for name in chosen:
        lines = (getattr(LIES[name], "__doc__", "") or "5 ms of work").splitlines()
        print(f"{name}: {lines[0]}")
        for harness, measure in HARNESSES.items():
            Path(KEPT).unlink(missing_ok=True)
            known = installed(harness)
            with tempfile.TemporaryDirectory() as folder:
                seconds, said = measure(name, Path(folder)) if known else (None, "not installed")
            says = "-" if seconds is None else as_text(seconds)
            print(f"    {harness} {known or ''}: {says}{f'; {said}' if said else ''}", flush=True)
    Path(KEPT).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
