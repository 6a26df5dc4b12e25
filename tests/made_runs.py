"""Made-up saved runs: what pytest-benchmark and the gate would have written, today or with ``old`` before schema 3."""

import json
from copy import deepcopy
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from pytest_duet.record.comparison import Comparison
from pytest_duet.record.metrics import MEMORY, Measured
from pytest_duet.record.old_schemas import METRICS
from pytest_duet.record.row import Row
from pytest_duet.record.saved_run import GateRecord
from pytest_duet.trials.trial import Memory, Trial

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
LABELS = {"execution": "compiled", "data": "host-fed", "precision": "fp32"}
WORKLOAD = {"batch_size": 128, "epochs": 6}
CONDITIONS = {
    "device": "cpu",
    "contract": LABELS,
    "threads": 2,
    "scheduling": "batch",
    "digest of the data": "5a4d",
    "workload": WORKLOAD,
}


def benchmark(subject):
    """Return a benchmark's ``fullname``."""
    return f"benchmarks/test_training.py::test_training_epoch[{subject}]"


def row(subject="jax", seconds=1.0, accuracy=0.88, old=False, **changed):
    """Return a benchmark's ``extra_info``.

    :param seconds: of a steady round, or of each trial's; None for a part of an epoch, whose time is nobody's.
    :param changed: fields of the row that differ, ``conditions`` those that do; what is none of its fields stands
        beside the row, as the suite's own do.
    """
    times = seconds if isinstance(seconds, (list, tuple)) else [seconds] * 3
    if old:
        return {**_old_row(subject, times, accuracy), **changed}
    firsts = [time and 2 * time for time in times]
    values = {
        "accuracy": [accuracy] * len(times),
        "epoch_seconds": times,
        MEMORY: [2**28] * len(times),
        "first_epoch_seconds": firsts,
    }
    made = Row(
        subject,
        "cpu",
        {
            name: Measured.of(metric, values[name], "host_peak_rss_bytes" if name == MEMORY else "")
            for name, metric in METRICS.items()
        },
        tuple(
            Trial(Memory(host_peak_rss_bytes=2**28), time, first_seconds=first) for time, first in zip(times, firsts)
        ),
        labels=LABELS,
        work="batch 128",
        conditions=CONDITIONS,
        workload=WORKLOAD,
        versions={subject: "1.0"},
        python="3.11.7",
    )
    plain = json.loads(json.dumps(made.as_json()))
    changed["conditions"] = {**plain["conditions"], **changed.get("conditions", {})}
    plain.update({name: value for name, value in changed.items() if name in plain})
    return {"duet": plain, **{name: value for name, value in changed.items() if name not in plain}}


def _old_row(subject, times, accuracy):
    """Return the same as schema 2 had it."""
    return {
        "schema": 2,
        "framework": subject,
        "contract": dict(LABELS),
        "device": "cpu",
        "versions": {subject: "1.0"},
        "python": "3.11.7",
        "scheduling": "batch",
        "threads": {"asked": 2, "cores": [0, 1], "framework": 2},
        "dataset": {"name": "mnist", "digest": "5a4d", "train_images": 60_000},
        "workload": dict(WORKLOAD),
        "accuracy": accuracy,
        "trials": [
            {
                "epoch_seconds": time,
                "first_epoch_seconds": time and 2 * time,
                "memory": {"host_peak_rss_bytes": 2**28},
            }
            for time in times
        ],
    }


def rows(*subjects, **changed):
    """Return rows by benchmark, each a benchmark's ``extra_info``."""
    return {benchmark(subject): row(subject, **changed) for subject in subjects}


def typed(extra_infos):
    """Return rows by benchmark as a session has them, :class:`Row`."""
    return {name: Row.from_json(extra_info) for name, extra_info in extra_infos.items()}


def run(
    frameworks=("jax",),
    verdicts=(),
    number=1,
    failed=0,
    mode="history",
    interrupted=False,
    fingerprint=FINGERPRINT,
    old=False,
    **changed,
):
    """Return a saved run's JSON.

    :param frameworks: names, or rows by benchmark.
    :param verdicts: the gate's on the epoch time, by framework; "clean" where none is given.
    :param number: of the hour at which it was saved.
    :param old: whether it is of the time before schema 3.
    :param changed: what differs in the rows.
    """
    rows_ = frameworks if isinstance(frameworks, dict) else rows(*frameworks, old=old, **changed)
    given = {benchmark(subject): verdict for subject, verdict in dict(verdicts).items()}
    figures = dict(old=1.0, new=1.5, low=1.4, high=1.6)
    comparisons = [
        Comparison(name, name.partition("[")[2].rstrip("]"), "epoch_seconds", given.get(name, "clean"), **figures)
        for name in {**rows_, **given}
    ]
    gate = GateRecord(mode, None, None, failed, interrupted, comparisons, metrics=METRICS)
    stats = {"min": 1.0, "max": 1.0, "mean": 1.0, "median": 1.0, "stddev": 0.0, "rounds": 3, "iterations": 1}
    return {
        "machine_info": {"fingerprint": deepcopy(fingerprint)},
        "commit_info": {"id": f"{number:040x}"},
        "benchmarks": [
            {"fullname": name, "name": name.partition("::")[2], "extra_info": row, "stats": stats}
            for name, row in rows_.items()
        ],
        "datetime": (START + timedelta(hours=number)).isoformat(),
        "gate": _old_gate(gate) if old else json.loads(json.dumps(asdict(gate))),
    }


def _old_gate(gate):
    """Return the same as schema 1 had it."""
    cells = [
        {
            "benchmark": one.benchmark,
            "framework": one.subject,
            "metric": one.metric,
            "verdict": one.verdict,
            "was": one.old,
            "now": one.new,
            "low": one.low,
            "high": one.high,
            "note": one.note,
        }
        for one in gate.comparisons
    ]
    return {
        "schema": 1,
        "mode": gate.mode,
        "failed_tests": gate.failed_tests,
        "interrupted": gate.interrupted,
        "cells": cells,
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
