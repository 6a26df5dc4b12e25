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

PEAK, REST = "matrix products at the measured peak", "everything else"


def section(material):
    """Return the section."""
    found = rows(trained(material.gathered.rows.values()))

    def charts():
        return {"budget": Chart(budget_chart(material.names), "budget", 40 + ROW_HEIGHT * len(found))} if found else {}

    template = Path(__file__).with_name("budget.html")
    shown, data = {"rows": found}, {"budget": found}
    return Section("budget", "Where the epoch goes", "Where time goes", 130, template, shown, data, charts)


def rows(pairs):
    """Return, for every framework whose measured peak is known, the parts of a steady epoch as a dictionary.

    ``peak_seconds`` is what the epoch's matrix products alone would take at the best rate measured on this machine;
    ``rest_seconds`` is all that it took beyond that; ``busy_cores`` is CPU time over wall time. Of a GPU that was
    profiled, ``device_busy_seconds`` is how long it ran kernels or copies, and ``device_idle_seconds`` the others.

    :param pairs: of each benchmark its :class:`Row` and its :class:`benchmarks.training_row.TrainingRow`.
    """
    found = [_parts(row, training) for row, training in pairs if training.epoch_seconds and peak_share(training)]
    return sorted(found, key=lambda row: row["seconds"])


def _parts(row, training):
    seconds, cores, busy = training.epoch_seconds, training.threads.cores, None
    at_peak = seconds * peak_share(training)
    if training.device_time and training.device_time.steps and training.steps_per_epoch:
        busy = busy_seconds_of_an_epoch(training.device_time, training.steps_per_epoch)
    return {
        **conditions(row),
        "seconds": seconds,
        "peak_seconds": at_peak,
        "rest_seconds": seconds - at_peak,
        "device_busy_seconds": busy,
        "device_idle_seconds": None if busy is None else max(0.0, seconds - busy),
        "busy_cores": training.cpu_seconds / seconds if training.cpu_seconds else None,
        "cores": len(cores) if isinstance(cores, list) else cores,
    }


def budget_chart(frameworks):
    """Return the bars of the parts, one bar for each framework; their colours are behind the frameworks' own."""
    return (
        chart("rows")
        .transform_fold(["peak_seconds", "rest_seconds"], as_=["part", "part_seconds"])
        .transform_calculate(
            rank="datum.part == 'peak_seconds' ? 0 : 1",
            what=f"datum.part == 'peak_seconds' ? {json.dumps(PEAK)} : {json.dumps(REST)}",
        )
        .mark_bar()
        .encode(
            y=alt.Y("subject:N", sort=None, title=None),
            x=alt.X("sum(part_seconds):Q", title="seconds of an epoch"),
            color=alt.Color(
                "what:N",
                scale=alt.Scale(domain=[*frameworks, PEAK, REST]),
                legend=alt.Legend(title=None, values=[PEAK, REST]),
            ),
            order=alt.Order("rank:Q"),
            tooltip=["subject:N", "what:N", alt.Tooltip("part_seconds:Q", title="seconds", format=".3f")],
        )
    )
