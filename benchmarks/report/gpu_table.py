"""The table of GPU memory and energy in the terminal, below the main one."""

from __future__ import annotations

from statistics import median

from benchmarks.report.framework_table import MIB
from benchmarks.summary import ledger
from pytest_duet.report.text_table import or_dash, wrapped, write_table

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
LEDGER = ("allocator_peak_bytes", "allocator_reserved_bytes", "nvml_process_peak_bytes", "nvml_device_delta_peak_bytes")
SUSTAINED_DIFFERS = 0.05
NOTES = (
    "context overhead: in use once the framework is ready, before any parameter or image; live peak and reserved "
    "pool: by the framework's own account; NVML process: all that is booked on the worker; NVML device: the increase "
    "of all that is in use, by whomever; energy: above the idle power, of epochs back to back for 3 seconds or more; "
    "device busy: share of the epoch in which a kernel or a copy runs, as the framework's profiler told before."
)


def show(terminalreporter, rows):
    """Write one line for each framework that trained on a GPU, and nothing where none did.

    :param rows: of each benchmark its :class:`Row` and its :class:`benchmarks.training_row.TrainingRow`.
    """
    on_gpu = [both for both in rows if both[0].device != "cpu"]
    if not on_gpu:
        return
    lines = [cells(*both) for both in on_gpu]
    write_table(terminalreporter, "GPU memory and energy", HEADINGS, lines, right=HEADINGS[1:])
    for text in [NOTES, *hidden(on_gpu), *unprofiled(on_gpu), *slower_for_long(on_gpu)]:
        terminalreporter.write(f"{wrapped(text)}\n")


def cells(row, training):
    """Return one row's cells as text; what is unknown is a dash."""
    memory, overhead = ledger(row), or_dash("{:,.0f} MiB", training.context_overhead_bytes, MIB)
    return (
        row.subject + (" (preallocating)" if training.preallocate else ""),
        overhead + (", device delta" if training.context_overhead_source == "nvml_device_delta" else ""),
        *(or_dash("{:,.0f} MiB", memory[source], MIB) for source in LEDGER),
        energy(training),
        or_dash("{:,.0f} W", training.gpu_idle_watts),
        or_dash("{:.0%}", training.device_busy_share),
    )


def energy(training):
    """Return what an epoch took, and by how much that may be off where somebody knows."""
    error = training.gpu_energy_error_joules
    return or_dash("{:,.1f} J", training.gpu_energy_joules) + ("" if error is None else f" ± {error:,.1f}")


def slower_for_long(rows):
    """Return, in sentences, whose epochs take another time once the card has worked for seconds, and by how much."""
    found = []
    for row, _ in rows:
        shares = [trial.sustained_seconds / trial.seconds - 1 for trial in row.trials if trial.sustained_seconds]
        if shares and abs(more := median(shares)) > SUSTAINED_DIFFERS:
            found.append(
                f"{row.subject}: trained over and over for seconds, its last epoch took {abs(more):.0%} "
                f"{'more' if more > 0 else 'less'} time than a steady one."
            )
    return found


def hidden(rows):
    """Return, in sentences, why NVML's figure for the process is missing, and of whom."""
    return [
        f"{row.subject}: NVML's figure for the process is missing: {training.nvml_process_hidden}."
        for row, training in rows
        if training.nvml_process_hidden
    ]


def unprofiled(rows):
    """Return, in sentences, why it is unknown how long the device was busy, and with whom."""
    return [
        f"{row.subject}: the time that the device was busy is missing: {training.device_time_missing}."
        for row, training in rows
        if training.device_time_missing
    ]
