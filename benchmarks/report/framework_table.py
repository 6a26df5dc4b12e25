"""The suite's own table in the terminal, below pytest-benchmark's: 100 columns for the default run."""

from __future__ import annotations

from statistics import geometric_mean

from benchmarks.summary import ledger
from benchmarks.workload.networks import in_words
from pytest_duet.record.row import memory_source
from pytest_duet.report import reading
from pytest_duet.report.text_table import or_dash, wrapped, write_table

MIB = 2**20
LEGEND = (
    "epoch: median over trials of each trial's median steady epoch; spread: highest minus lowest trial; "
    "of peak: share of the best rate that matrix products of {shapes} reach on this machine; "
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


def show(terminalreporter, rows, wide=False):
    """Write one line a framework through pytest's terminal reporter, and below it what there is to say of each.

    :param rows: of each benchmark its :class:`Row` and its :class:`benchmarks.training_row.TrainingRow`.
    :param wide: whether what is alike in all rows stands in each, and notes beside them.
    """
    rows = sorted(rows, key=_speed)  # as the answer has it
    shared = {} if wide else _shared([row.labels for row, _ in rows])
    sources = {_source(row) for row, _ in rows}
    one_source = len(sources) == 1 and not wide
    of = f"memory, {SOURCES[sources.pop()]}" if one_source else "memory"
    headings = [of if heading == "memory" else heading for heading in HEADINGS]
    beside_gpu = any(row.device != "cpu" for row, _ in rows)
    lines = [cells(row, training, shared, one_source) for row, training in rows]
    notes = [_notes(row, training, beside_gpu) for row, training in rows]
    if wide:
        headings, lines = [*headings, "notes"], [(*line, note) for line, note in zip(lines, notes)]
    write_table(terminalreporter, _title(rows), headings, lines, right=headings[2 : len(HEADINGS)])
    noted = {}
    for (row, _), note in zip(rows, notes):
        noted.setdefault(note, []).append(row.subject)
    for note, names in noted.items():
        if note and not wide:
            terminalreporter.write(wrapped(f"{', '.join(names)}: {note}") + "\n")
    alike = f"contract: all of them {', '.join(shared.values())}; " if shared else ""
    perceptrons = all("network" not in training.workload for _, training in rows)
    shapes = "the same shapes" if perceptrons else "the default network's shapes"
    terminalreporter.write(f"{wrapped(alike + LEGEND.format(shapes=shapes))}\n")


def _speed(both):
    row, training = both
    return geometric_mean(reading.times(row)) / training.flops_per_epoch


def _shared(labels):
    """Return the labels that all rows have alike; none where it is one row, whose own they are."""
    first, *others = labels
    return {name: value for name, value in first.items() if all(its.get(name) == value for its in others) and others}


def cells(row, training, shared=(), one_source=False):
    """Return one row's cells as text; what is unknown is a dash.

    :param shared: labels that need not be shown.
    :param one_source: whether all rows have their memory from the same source, which need not be shown.
    """
    epoch = training.epoch_seconds
    return (
        row.subject,
        ", ".join(value for name, value in row.labels.items() if name not in shared) or "-",
        f"{training.steps_per_second:.2f} steps/s" if epoch is None else f"{epoch:.3f} s",
        or_dash("{:.1%}", training.epoch_spread),
        or_dash("{:.3f} s", training.first_epoch_seconds if training.whole_epochs else None),
        f"{training.images_per_second:,.0f}",
        or_dash("{:.0%}", training.peak_share),
        _memory(row, one_source),
        f"{training.accuracy:.4f}",
        f"{training.parity.loss:.0e}",
    )


def _title(rows):
    row, training = rows[0]
    trials, batch = len(row.trials), training.workload["batch_size"]
    network = in_words(training.workload)
    return f"{training.dataset.name}, {network}, batch {batch}, {trials} trial{'s'[: trials > 1]}"


def _source(row):
    return memory_source(row) or "host_peak_rss_bytes"  # a GPU's that nobody can tell


def _memory(row, one_source):
    source = _source(row)
    form = "{:,.0f} MiB" if one_source else f"{{:,.0f}} MiB {SOURCES[source]}"
    return or_dash(form, ledger(row)[source], MIB)


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
