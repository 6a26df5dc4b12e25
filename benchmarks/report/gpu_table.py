"""The table of GPU memory and energy in the terminal, below the main one."""

from __future__ import annotations

import textwrap

from benchmarks.report.framework_table import MIB
from pytest_duet.report.text_table import or_dash, write_table

HEADINGS = (
    "framework",
    "context overhead",
    "live peak",
    "reserved pool",
    "NVML process",
    "NVML device",
    "energy an epoch",
    "idle power",
    "device busy",
)
LEDGER = (
    "allocator_peak_bytes",
    "allocator_reserved_bytes",
    "nvml_process_peak_bytes",
    "nvml_device_delta_peak_bytes",
)
NOTES = (
    "context overhead: in use once the framework is ready, before any parameter or image; live peak and reserved "
    "pool: by the framework's own account; NVML process: all that is booked on the worker; NVML device: the increase "
    "of all that is in use, by whomever; energy: above the idle power, mean of the steady epochs; "
    "device busy: share of the epoch in which a kernel or a copy runs, as the framework's profiler told before."
)


def show(terminalreporter, rows):
    """Write one line for each framework that trained on a GPU, and nothing where none did.

    :param rows: the ``extra_info`` of each benchmark.
    """
    on_gpu = [row for row in rows if row["device"] != "cpu"]
    if not on_gpu:
        return
    write_table(terminalreporter, "GPU memory and energy", HEADINGS, [cells(row) for row in on_gpu], right=HEADINGS[1:])
    for text in [NOTES, *hidden(on_gpu), *unprofiled(on_gpu)]:
        terminalreporter.write(f"{textwrap.fill(text, 110)}\n")


def cells(row):
    """Return one row's cells as text; what is unknown is a dash."""
    memory = row["memory"]
    floor = or_dash("{:,.0f} MiB", memory["context_floor_bytes"], MIB)
    return (
        row["framework"] + (" (preallocating)" if row["preallocate"] else ""),
        floor + (", device delta" if memory["context_floor_source"] == "nvml_device_delta" else ""),
        *(or_dash("{:,.0f} MiB", memory[source], MIB) for source in LEDGER),
        or_dash("{:,.1f} J", row["gpu_energy_joules"]),
        or_dash("{:,.0f} W", row["gpu_idle_watts"]),
        or_dash("{:.0%}", row["device_busy_share"]),
    )


def hidden(rows):
    """Return, in sentences, why NVML's figure for the process is missing, and of whom."""
    return [
        f"{row['framework']}: NVML's figure for the process is missing: {row['nvml_process_hidden']}."
        for row in rows
        if row["nvml_process_hidden"]
    ]


def unprofiled(rows):
    """Return, in sentences, why it is unknown how long the device was busy, and with whom."""
    return [
        f"{row['framework']}: the time that the device was busy is missing: {row['device_time_missing']}."
        for row in rows
        if row["device_time_missing"]
    ]
