"""What only the suite knows of a row: its contract, its rate, its share of the measured peak, accuracy and parity."""

from __future__ import annotations

from math import inf
from operator import attrgetter

from benchmarks.training_row import TrainingRow
from pytest_duet.report import reading
from pytest_duet.report.additions import Column, Words
from pytest_duet.report.markdown import python


def trained(entries):
    """Return pairs of :class:`Row` and :class:`TrainingRow`, of the rows that have both.

    :param entries: pairs of a row and the ``extra_info`` that it stands in.
    """
    found = ((row, TrainingRow.from_json(extra_info)) for row, extra_info in entries)
    return [(row, training) for row, training in found if training]


def peak_share(training):
    """Return the share of the measured peak that was reached; None where it was beaten, and so was none."""
    share = training.peak_share
    return share if share is not None and share <= 1 else None


def _of_training(function):
    """Return a function of a row and its ``extra_info``; where that tells of no training, nothing of it is known."""
    return lambda row, extra_info: function(row, TrainingRow.from_json(extra_info) or TrainingRow({}))


def _figure(path, form, place, page, markdown="", **how):
    """Return the column of a figure of the training."""
    value = attrgetter(path)
    of = _of_training(lambda row, training: value(training))
    return Column(path.replace(".", "_"), of, form, page=page, markdown=markdown, place=place, **how)


@_of_training
def _round_of(row, training):
    return "epoch" if training.whole_epochs else f"{training.steps_per_epoch} steps"


@_of_training
def _environment(row, training):
    # Pytest's own interpreter may be of any environment, and the record names none.
    return ", ".join(filter(None, [training.environment, python(row)]))


@_of_training
def _timed(row, training):
    if training.whole_epochs:
        return reading.seconds(row)
    return f"{training.steps_per_second or 0:.1f} steps/s (epochs of {training.steps_per_epoch})"


@_of_training
def _first(row, training):
    return reading.first_seconds(row) if training.whole_epochs else None


@_of_training
def _peak_share(row, training):
    return peak_share(training)


@_of_training
def _fastest_first(row, training):
    return -(training.images_per_second or 0)


def _contract(row, extra_info):
    return reading.label(row)


def _took(row, extra_info, time):
    if "workload" not in extra_info:  # a question beside the training
        return f"{'starts in' if 'start_of' in extra_info else 'takes'} {time}"
    part = _round_of(row, extra_info)
    return f"trains {'an epoch' if part == 'epoch' else part} in {time}"


@_of_training
def _amount(row, training):
    flops = training.flops_per_epoch
    return flops if flops is not None and 0 < flops < inf else 1.0


@_of_training
def _floor(row, training):
    peak = training.measured_peak.rate(training.workload)
    return training.flops_per_epoch / peak if peak and training.flops_per_epoch else None


HINT = (
    "To judge a change: `pytest benchmarks --against git:main` runs it turn by turn with main, `--gate` holds it "
    "against the saved runs (docs/gate.md). A training of your own: `--framework-path FILE` (docs/your-own.md)."
)
WORDS = Words(
    "Deep-learning frameworks, measured",
    "framework",
    "epoch",
    round_of=_round_of,
    took=_took,
    amount_of=_amount,
    floor_of=_floor,
    floor="the measured peak",
    closer=lambda row, extra_info: (
        "`--race` compares more closely in as many trials." if "workload" in extra_info else ""
    ),
    hint=HINT,
)
READY = "GPU memory, once the framework is ready, MiB"
COLUMNS = (
    Column("contract", _contract, markdown="contract", place=20, words=True),
    Column("environment", _environment, markdown="environment", place=30, words=True),
    Column("seconds", _timed, "{:.3f} s", markdown="epoch", place=40),
    Column("first", _first, "{:.3f} s", markdown="first epoch", place=50),
    _figure("images_per_second", "{:,.0f}", 61, page="images/s", markdown="images/s", rank=_fastest_first),
    Column("peak_share", _peak_share, "{:.0%}", page="of the measured peak", place=62),
    _figure("context_overhead_bytes", "{:,.0f}", 63, page=READY, unit=2**20, optional=True),  # nobody's peak
    _figure("accuracy", "{:.4f}", 81, page="accuracy", markdown="accuracy"),
    _figure("parity.loss", "{:.0e}", 82, page="parity error: loss", markdown="parity: loss"),
    _figure("parity.update", "{:.0e}", 83, page="update", markdown="update"),
)
