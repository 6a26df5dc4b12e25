"""The suite's own table in the terminal, below pytest-benchmark's."""

from __future__ import annotations

import textwrap

from pytest_duet.record.metrics import memory_source
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

    :param rows: the ``extra_info`` of each benchmark.
    """
    fastest_first = sorted(rows, key=lambda row: -row["images_per_second"])
    beside_gpu = any(row["device"] != "cpu" for row in rows)
    lines = [cells(row, beside_gpu) for row in fastest_first]
    write_table(terminalreporter, _title(rows), (*HEADINGS, "notes"), lines, right=HEADINGS[2:])
    terminalreporter.write(f"{textwrap.fill(NOTES, 110)}\n")


def cells(row, beside_gpu=False):
    """Return one row's cells as text; what is unknown is a dash.

    :param beside_gpu: whether others in the table trained on a GPU.
    """
    contract = row["contract"]
    return (
        row["framework"],
        ", ".join([contract["execution"], contract["data"], contract["precision"]]),
        f"{row['steps_per_second']:.2f} steps/s" if row["epoch_seconds"] is None else f"{row['epoch_seconds']:.3f} s",
        or_dash("{:.1%}", row["epoch_spread"]),
        or_dash("{:.3f} s", row["first_epoch_seconds"] if row["whole_epochs"] else None),
        f"{row['images_per_second']:,.0f}",
        or_dash("{:.0%}", row["limit_share"]),
        _memory(row),
        f"{row['accuracy']:.4f}",
        f"{row['parity']['loss']:.0e}",
        _notes(row, beside_gpu),
    )


def _title(rows):
    dataset, workload = rows[0]["dataset"], rows[0]["workload"]
    trials = len(rows[0]["trials"])
    network = "-".join(map(str, workload["layer_sizes"]))
    return f"{dataset['name']}, {network}, batch {workload['batch_size']}, {trials} trial{'s'[: trials > 1]}"


def _memory(row):
    source = memory_source(row) or "host_peak_rss_bytes"  # a GPU's that nobody can tell
    return or_dash(f"{{:,.0f}} MiB {SOURCES[source]}", row["memory"][source], MIB)


def _notes(row, beside_gpu):
    notes = []
    if row["disturbed_trials"]:
        notes.append(f"{row['disturbed_trials']} of {len(row['trials'])} trials DISTURBED")
    elif row["repeated_attempts"]:
        count = row["repeated_attempts"]
        notes.append(f"{count} attempt{'s'[: count > 1]} repeated")
    if not row["whole_epochs"]:
        notes.append(f"epochs of {row['steps_per_epoch']} steps")
    if row["cpu_only"] and beside_gpu:
        notes.append(f"CPU only, because {row['cpu_only']}")
    if row["isolation"] != "process":
        notes.append("not isolated")
    if row["dataset"]["name"] != "mnist":
        notes.append(f"{row['dataset']['name']} data")
    return "; ".join(notes)
