"""``--results-csv``: the seed experiment's two tables, so that its readers find their columns again, and one more."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from benchmarks.summary import mean_and_deviation
from pytest_duet.atomic import atomic_write

MIB = 2**20
MEASURES = ("time", "peak_memory_mib", "avg_memory_mib")


def write(rows, directory):
    """Write ``results.csv`` and ``summary.csv`` into a directory, and return their paths.

    ``results.csv``: one row an epoch, the first included: framework, run (the trial), epoch, time (seconds), accuracy,
    peak_memory_mib, avg_memory_mib (of the device, or of the host where the trainer runs on it), steps (that were
    trained of the epoch: times of unlike steps do not compare). ``summary.csv``: mean and sample standard deviation of
    each over the steady epochs; of the accuracy after the last one and of the first one's time over the trials; steps.

    :param rows: of each benchmark its :class:`Row` and its :class:`benchmarks.training_row.TrainingRow`.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    of_rows = list(filter(None, (epochs_of(*both) for both in rows)))
    epochs = [epoch for its in of_rows for epoch in its]
    return [_write(directory / "results.csv", epochs), _write(directory / "summary.csv", list(map(_summary, of_rows)))]


def epochs_of(row, training):
    """Return the epochs of a row's trials as ``results.csv`` has them; what is unknown is None."""
    return [
        {
            "framework": row.subject,
            "run": run,
            "epoch": epoch.number,
            "time": epoch.seconds,
            "accuracy": epoch.metrics.get("accuracy"),
            "peak_memory_mib": _mib(epoch.memory_peak_bytes),
            "avg_memory_mib": _mib(epoch.memory_average_bytes),
            "steps": training.steps_per_epoch,
        }
        for run, trial in enumerate(row.trials, start=1)
        for epoch in trial.rounds
    ]


def _summary(epochs):
    columns = {"framework": epochs[0]["framework"]}
    steady = [epoch for epoch in epochs if epoch["epoch"] > 1]
    for measure in MEASURES:
        columns[f"{measure}_mean"], columns[f"{measure}_std"] = mean_and_deviation(e[measure] for e in steady)
    final = [epoch["accuracy"] for epoch in epochs if epoch["epoch"] == epochs[-1]["epoch"]]
    first = [epoch["time"] for epoch in epochs if epoch["epoch"] == 1]
    for name, values in (("final_accuracy", final), ("first_epoch_time", first)):
        columns[f"{name}_mean"], columns[f"{name}_std"] = mean_and_deviation(values)
    return {**columns, "steps": epochs[0]["steps"]}


def _mib(value):
    return None if value is None else value / MIB


def _no_formula(value):
    """Return a text that a spreadsheet would run with an apostrophe before it, anything else as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _write(path, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _no_formula(value) for name, value in row.items()} for row in rows)
    atomic_write(path, text.getvalue().encode())
    return path
