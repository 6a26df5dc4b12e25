"""The table of starts in the terminal: what each phase takes, and after how many steps compiling has paid."""

from __future__ import annotations

from math import ceil, isfinite

from benchmarks.cold_start import PHASES, STEADY_STEPS
from benchmarks.frameworks import REGISTRY
from pytest_duet.record.metrics import as_time
from pytest_duet.report.text_table import wrapped, write_table

LEGEND = (
    "start: from nothing to the end of the second step, all columns up to there; trace and compile by the framework's "
    "own account, where it keeps one, else within the steps; second shape: what a first batch of another size costs "
    f"beyond a later one; step: of {STEADY_STEPS} in a row, once all is compiled; ahead: after how many steps it has "
    "caught up with the fastest start of its library."
)
LIBRARIES = ("jax", "torch", "tensorflow", "paddle", "mxnet", "mindspore")
HEADINGS = ("framework", "start", *(name.replace("_", " ") for name in PHASES), "second shape", "step", "ahead")


def show(terminalreporter, rows):
    """Write a table for each kind of start, one line a framework, the fastest start first; nothing without any.

    :param rows: pairs of a :class:`pytest_duet.record.row.Row` and the ``extra_info`` that it stands in.
    """
    by_kind = {}
    for row, extra_info in rows:
        if "start_of" in extra_info:
            by_kind.setdefault(extra_info["start_of"], []).append(row)
    for kind, its in by_kind.items():
        its = sorted(its, key=lambda row: row.typical("seconds") or 0)
        lines = [cells(row, its) for row in its]
        write_table(terminalreporter, kind, HEADINGS, lines, right=HEADINGS[1:-1])
    if by_kind:
        terminalreporter.write(f"{wrapped(LEGEND)}\n")


def cells(row, rows):
    """Return a row's cells as text."""
    figures = ["seconds", *(f"{name}_seconds" for name in (*PHASES, "second_shape", "step"))]
    known = [row.typical(name) for name in figures]
    return [row.subject, *("-" if seconds is None else as_time(seconds) for seconds in known), ahead(row, rows)]


def ahead(row, rows):
    """Return in words after how many steps a row has caught up with the fastest start of its library."""
    its = library(row)
    first = next((other for other in rows if its and library(other) == its), row)
    if first is row:
        return "-"
    steps = steps_until_ahead(*_costs(row), *_costs(first))
    return f"of {first.subject} after {steps:,} steps" if isfinite(steps) else f"of {first.subject} never"


def steps_until_ahead(start, step, other_start, other_step):
    """Return the first number of steps after which one has taken less time than another; infinite where there is none.

    :param start: what it takes before steps are steady; ``step`` is what each takes then. Seconds, all of them.
    """
    if start <= other_start:
        return 0
    return ceil((start - other_start) / (other_step - step)) if step < other_step else float("inf")


def library(row):
    """Return the module that computes for a framework; None where nobody knows."""
    requires = REGISTRY[row.subject].requires if row.subject in REGISTRY else ()
    return next((name for name in LIBRARIES if name in requires), None)


def _costs(row):
    start, shape, step = (row.typical(name) or 0.0 for name in ("seconds", "second_shape_seconds", "step_seconds"))
    return start + shape, step
