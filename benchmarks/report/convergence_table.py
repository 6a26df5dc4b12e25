"""The table of times to accuracy in the terminal."""

from __future__ import annotations

from math import inf, isfinite
from statistics import median

from pytest_duet.judge.median_interval import median_interval
from pytest_duet.record.metrics import as_time
from pytest_duet.report.text_table import or_dash, wrapped, write_table

LEGEND = (
    "to {target}: what a seed took until its test accuracy was {target}, from a trainer that is yet to be built, every "
    "evaluation included, the median over {seeds} seeds; interval: holds that median with {confidence:.0%}, by the "
    "order statistics of the seeds, those that did not get there being the slowest; epochs: as many as the seeds "
    "trained; all of it: the whole call, the framework's import included. Seeds and epochs are those of the last trial."
)
ENERGY = " Its energy: what the GPU took for all of it, above its idle power."


def show(terminalreporter, rows):
    """Write a table, one line a framework, the fastest first; nothing where none was trained to an accuracy.

    :param rows: pairs of a :class:`pytest_duet.record.row.Row` and the ``extra_info`` that it stands in.
    """
    its = [both for both in rows if "target_accuracy" in both[1]]
    if not its:
        return
    info = its[0][1]
    target = f"{100 * info['target_accuracy']:g}%"
    in_order = sorted(its, key=lambda both: median(reached(both[1])))
    headings = ["framework", f"to {target}", "interval", "seeds", "epochs", "all of it"]
    lines = [cells(*both) for both in in_order]
    joules = [joules_of(row) for row, _ in in_order]
    energy = ENERGY if any(joules) else ""
    if energy:
        headings.append("its energy")
        lines = [[*line, or_dash("{:,.0f} J", each)] for line, each in zip(lines, joules)]
    write_table(terminalreporter, "time to accuracy", headings, lines, right=headings[1:])
    interval = median_interval(reached(info))
    legend = LEGEND.format(target=target, seeds=len(info["seeds"]), confidence=interval.confidence if interval else 0)
    terminalreporter.write(f"{wrapped(legend + energy)}\n")


def reached(info):
    """Return what each seed took, in seconds; infinite where it did not get there."""
    return [each["seconds"] if each["accuracies"][-1] >= info["target_accuracy"] else inf for each in info["seeds"]]


def joules_of(row):
    """Return what the GPU took for the whole call, above its idle power: the median of the trials; None if unknown."""
    known = [trial.gpu_energy_joules for trial in row.trials if trial.gpu_energy_joules is not None]
    return median(known) if known else None


def cells(row, info):
    """Return a row's cells as text."""
    seconds = reached(info)
    interval, there = median_interval(seconds), sum(map(isfinite, seconds))
    epochs = sorted({len(each["accuracies"]) for each in info["seeds"]})
    return [
        row.subject,
        _time(row.typical("to_accuracy_seconds")),
        f"{_time(interval.low)} to {_time(interval.high)}" if interval else "-",
        f"{there} of {len(seconds)}",
        f"{epochs[0]} to {epochs[-1]}" if len(epochs) > 1 else str(epochs[0]),
        _time(row.typical("seconds")),
    ]


def _time(seconds):
    return "never" if seconds is None or not isfinite(seconds) else as_time(seconds)
