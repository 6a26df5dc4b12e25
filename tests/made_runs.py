"""Made-up saved runs: what pytest-benchmark and the gate would have written, as far as history reads it."""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta

FOLDER = "Linux-CPython-3.11-64bit"
FINGERPRINT = {
    "cpu": "A processor",
    "usable_cores": 2,
    "memory_bytes": 8 * 2**30,
    "system": "Linux x86_64",
    "governor": None,
    "gpu": None,
}
START = datetime(2026, 1, 1, tzinfo=UTC)


def benchmark(framework):
    """Return a benchmark's ``fullname``."""
    return f"benchmarks/test_training.py::test_training_epoch[{framework}]"


def row(framework="jax", seconds=1.0, **changed):
    """Return a benchmark's ``extra_info``."""
    memory = {"host_peak_rss_bytes": 2**28}
    trial = {"epoch_seconds": seconds, "first_epoch_seconds": 2 * seconds, "memory": memory}
    whole = {
        "schema": 2,
        "framework": framework,
        "contract": {"execution": "compiled", "data": "host-fed", "precision": "fp32"},
        "device": "cpu",
        "versions": {framework: "1.0"},
        "python": "3.11.7",
        "scheduling": "batch",
        "threads": {"asked": 2, "cores": [0, 1], "framework": 2},
        "dataset": {"name": "mnist", "digest": "5a4d", "train_images": 60_000},
        "workload": {"batch_size": 128, "epochs": 6},
        "accuracy": 0.88,
        "trials": [deepcopy(trial) for _ in range(3)],
    }
    return {**whole, **changed}


def rows(*frameworks, **changed):
    """Return rows by benchmark, as a session has them."""
    return {benchmark(framework): row(framework, **changed) for framework in frameworks}


def run(
    frameworks=("jax",),
    verdicts=(),
    number=1,
    failed=0,
    mode="history",
    interrupted=False,
    fingerprint=FINGERPRINT,
    **changed,
):
    """Return a saved run's JSON.

    :param frameworks: names, or rows by benchmark.
    :param verdicts: the gate's on the epoch time, by framework; "clean" where none is given.
    :param number: of the hour at which it was saved.
    :param changed: what differs in the rows.
    """
    rows_ = frameworks if isinstance(frameworks, dict) else rows(*frameworks, **changed)
    given = {benchmark(framework): verdict for framework, verdict in dict(verdicts).items()}
    cells = [
        {
            "benchmark": name,
            "framework": name.partition("[")[2].rstrip("]"),
            "metric": "epoch_seconds",
            "verdict": given.get(name, "clean"),
            "was": 1.0,
            "now": 1.5,
            "low": 1.4,
            "high": 1.6,
            "note": "",
        }
        for name in {**rows_, **given}
    ]
    stats = {"min": 1.0, "max": 1.0, "mean": 1.0, "median": 1.0, "stddev": 0.0, "rounds": 3, "iterations": 1}
    return {
        "machine_info": {"fingerprint": fingerprint},
        "commit_info": {"id": f"{number:040x}"},
        "benchmarks": [
            {"fullname": name, "name": name.partition("::")[2], "extra_info": row, "stats": stats}
            for name, row in rows_.items()
        ],
        "datetime": (START + timedelta(hours=number)).isoformat(),
        "gate": {"schema": 1, "mode": mode, "failed_tests": failed, "interrupted": interrupted, "cells": cells},
    }


def write(storage, number, data=None, folder=FOLDER, hour=None, **how):
    """Write a run, :func:`run` of all other arguments, into a storage folder and return its name."""
    name = f"{folder}/{number:04}_made.json"
    path = storage / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(data, str):
        data = json.dumps(run(number=hour or number, **how) if data is None else data)
    path.write_text(data)
    return name
