"""Where an epoch goes, as far as it was measured: products at the measured peak, everything else, and idle cores."""

from __future__ import annotations

import json
from pathlib import Path

import altair as alt

from benchmarks.report.columns import peak_share, trained
from benchmarks.summary import busy_seconds_of_an_epoch
from pytest_duet.report.additions import Section
from pytest_duet.report.charts import ROW_HEIGHT, Chart, chart
from pytest_duet.report.reading import conditions

# The bars' parts, from the left on: fields of the rows, and what they are.
OF_AN_EPOCH = {"peak_seconds": "matrix products at the measured peak", "rest_seconds": "everything else"}
OF_A_DEVICE = {
    "device_kernel_seconds": "kernels",
    "device_copy_seconds": "copies beside no kernel",
    "device_idle_seconds": "idle, waiting for the host",
}


def section(material):
    """Return the section."""
    found = rows(trained(material.gathered.rows.values()))
    profiled = [row for row in found if row["device_busy_seconds"] is not None]
    data = {"budget": found, **({"device": profiled} if profiled else {})}

    def charts():
        parts = {"budget": OF_AN_EPOCH, "device": OF_A_DEVICE}
        return {
            name: Chart(stacked(material.names, parts[name]), name, 40 + ROW_HEIGHT * len(its))
            for name, its in data.items()
            if its
        }

    template = Path(__file__).with_name("budget.html")
    shown = {"rows": found, "profiled": profiled}
    return Section("budget", "Where the epoch goes", "Where time goes", 130, template, shown, data, charts)


def rows(pairs):
    """Return, for every framework whose measured peak is known, the parts of a steady epoch as a dictionary.

    ``peak_seconds`` is what the epoch's matrix products alone would take at the best rate measured on this machine;
    ``rest_seconds`` is all that it took beyond that; ``busy_cores`` is CPU time over wall time. Of a GPU that was
    profiled, ``device_busy_seconds`` is how long it ran kernels or copies, and ``device_idle_seconds`` the others;
    ``device_kernel_seconds`` and ``device_copy_seconds`` make up the busy ones, what overlaps being the kernels'.

    :param pairs: of each benchmark its :class:`Row` and its :class:`benchmarks.training_row.TrainingRow`.
    """
    found = [_parts(row, training) for row, training in pairs if training.epoch_seconds and peak_share(training)]
    return sorted(found, key=lambda row: row["seconds"])


def _parts(row, training):
    seconds, cores, busy, kernels = training.epoch_seconds, training.threads.cores, None, None
    at_peak, profile = seconds * peak_share(training), training.device_time
    if profile and profile.steps and training.steps_per_epoch:
        busy = busy_seconds_of_an_epoch(profile, training.steps_per_epoch)
        kernels = busy * profile.kernel_seconds / profile.busy_seconds if profile.busy_seconds else 0.0
    return {
        **conditions(row),
        "seconds": seconds,
        "peak_seconds": at_peak,
        "rest_seconds": seconds - at_peak,
        "device_busy_seconds": busy,
        "device_kernel_seconds": kernels,
        "device_copy_seconds": None if busy is None else busy - kernels,
        "device_idle_seconds": None if busy is None else max(0.0, seconds - busy),
        "busy_cores": training.cpu_seconds / seconds if training.cpu_seconds else None,
        "cores": len(cores) if isinstance(cores, list) else cores,
    }


def stacked(frameworks, parts):
    """Return the bars of the parts, one bar for each framework; their colours are behind the frameworks' own."""
    names = list(parts.values())
    return (
        chart("rows")
        .transform_fold(list(parts), as_=["part", "part_seconds"])
        .transform_calculate(
            rank=f"indexof({json.dumps(list(parts))}, datum.part)",
            what=f"{json.dumps(parts)}[datum.part]",
        )
        .mark_bar()
        .encode(
            y=alt.Y("subject:N", sort=None, title=None),
            x=alt.X("sum(part_seconds):Q", title="seconds of an epoch"),
            color=alt.Color(
                "what:N",
                scale=alt.Scale(domain=[*frameworks, *names]),
                legend=alt.Legend(title=None, values=names),
            ),
            order=alt.Order("rank:Q"),
            tooltip=["subject:N", "what:N", alt.Tooltip("part_seconds:Q", title="seconds", format=".3f")],
        )
    )
