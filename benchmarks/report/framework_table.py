"""The suite's own table in the terminal, below pytest-benchmark's."""

from __future__ import annotations

import textwrap

from benchmarks.summary import ledger
from pytest_duet.record.row import memory_source
from pytest_duet.report.text_table import or_dash, write_table

MIB = 2**20
NOTES = (
    "epoch: median over trials of each trial's median steady epoch; spread: highest minus lowest trial; "
    "of peak: share of the best rate that matrix products of the same shapes reach on this machine; "
    "memory: the peak that the gate judges; parity: largest relative error of a loss."
)

# Each means something else, so each says what it is.
SOURCES = {
    "allocator_peak_bytes": "gpu, live arrays",
    "nvml_process_peak_bytes": "gpu",
    "allocator_reserved_bytes": "gpu, reserved pool",
    "nvml_device_delta_peak_bytes": "gpu, device delta",
    "host_peak_rss_bytes": "host",
}
HEADINGS = ("framework", "contract", "epoch", "spread", "first", "images/s", "of peak", "memory", "accuracy", "parity")


def show(terminalreporter, rows):
    """Write one line a framework through pytest's terminal reporter.

    :param rows: of each benchmark its :class:`Row` and its :class:`benchmarks.training_row.TrainingRow`.
    """
    fastest_first = sorted(rows, key=lambda both: -both[1].images_per_second)
    beside_gpu = any(row.device != "cpu" for row, _ in rows)
    lines = [cells(row, training, beside_gpu) for row, training in fastest_first]
    write_table(terminalreporter, _title(rows), (*HEADINGS, "notes"), lines, right=HEADINGS[2:])
    terminalreporter.write(f"{textwrap.fill(NOTES, 110)}\n")


def cells(row, training, beside_gpu=False):
    """Return one row's cells as text; what is unknown is a dash.

    :param beside_gpu: whether others in the table trained on a GPU.
    """
    epoch = training.epoch_seconds
    return (
        row.subject,
        ", ".join(row.labels.values()),
        f"{training.steps_per_second:.2f} steps/s" if epoch is None else f"{epoch:.3f} s",
        or_dash("{:.1%}", training.epoch_spread),
        or_dash("{:.3f} s", training.first_epoch_seconds if training.whole_epochs else None),
        f"{training.images_per_second:,.0f}",
        or_dash("{:.0%}", training.peak_share),
        _memory(row),
        f"{training.accuracy:.4f}",
        f"{training.parity.loss:.0e}",
        _notes(row, training, beside_gpu),
    )


def _title(rows):
    row, training = rows[0]
    trials, batch = len(row.trials), training.workload["batch_size"]
    network = "-".join(map(str, training.workload["layer_sizes"]))
    return f"{training.dataset.name}, {network}, batch {batch}, {trials} trial{'s'[: trials > 1]}"


def _memory(row):
    source = memory_source(row) or "host_peak_rss_bytes"  # a GPU's that nobody can tell
    return or_dash(f"{{:,.0f}} MiB {SOURCES[source]}", ledger(row)[source], MIB)


def _notes(row, training, beside_gpu):
    notes = []
    if row.disturbed_trials:
        notes.append(f"{row.disturbed_trials} of {len(row.trials)} trials DISTURBED")
    elif row.repeated_attempts:
        notes.append(f"{row.repeated_attempts} attempt{'s'[: row.repeated_attempts > 1]} repeated")
    if not training.whole_epochs:
        notes.append(f"epochs of {training.steps_per_epoch} steps")
    if training.cpu_only and beside_gpu:
        notes.append(f"CPU only, because {training.cpu_only}")
    if training.isolation != "process":
        notes.append("not isolated")
    if training.dataset.name != "mnist":
        notes.append(f"{training.dataset.name} data")
    return "; ".join(notes)
