"""Where an epoch goes, as far as it was measured: products at the measured peak, everything else, and idle cores."""

from __future__ import annotations

import json
from pathlib import Path

import altair as alt

from benchmarks.report.columns import peak_share
from benchmarks.summary import busy_seconds_of_an_epoch
from pytest_duet.report.additions import Section
from pytest_duet.report.charts import ROW_HEIGHT, Chart, chart
from pytest_duet.report.reading import conditions, rows_of

PEAK, REST = "matrix products, at the machine's measured peak", "everything else"


def section(material):
    """Return the section."""
    found = rows(material.run)

    def charts():
        return {"budget": Chart(budget_chart(), "budget", 40 + ROW_HEIGHT * len(found))} if found else {}

    template = Path(__file__).with_name("budget.html")
    shown, data = {"rows": found}, {"budget": found}
    return Section("budget", "Where the epoch goes", "Where time goes", 320, template, shown, data, charts)


def rows(run):
    """Return, for every framework whose measured peak is known, the parts of a steady epoch as a dictionary.

    ``limit_seconds`` is what the epoch's matrix products alone would take at the best rate measured on this machine;
    ``rest_seconds`` is all that it took beyond that; ``busy_cores`` is CPU time over wall time. Of a GPU that was
    profiled, ``device_busy_seconds`` is how long it ran kernels or copies, and ``device_idle_seconds`` the others.
    """
    found = []
    for row in rows_of(run):
        seconds, flops = row.number("epoch_seconds"), row.number("flops_per_epoch")
        peak, cpu = row.number("limit", "flops_per_second"), row.number("cpu_seconds")
        if not (seconds and flops and peak) or peak_share(row) is None:
            continue
        cores = row.get("threads", "cores")
        busy = _device_busy_seconds(row)
        found.append(
            {
                **conditions(row),
                "seconds": seconds,
                "limit_seconds": flops / peak,
                "rest_seconds": seconds - flops / peak,
                "device_busy_seconds": busy,
                "device_idle_seconds": None if busy is None else max(0.0, seconds - busy),
                "busy_cores": cpu / seconds if cpu else None,
                "cores": len(cores) if isinstance(cores, list) else row.number("threads", "cores"),
            }
        )
    return sorted(found, key=lambda row: row["seconds"])


def _device_busy_seconds(row):
    busy, steps = row.number("device_time", "busy_seconds"), row.number("device_time", "steps")
    whole = row.number("steps_per_epoch")
    return busy_seconds_of_an_epoch(busy, steps, whole) if busy is not None and steps and whole else None


def budget_chart():
    """Return the bars of the parts, one bar for each framework."""
    return (
        chart("rows")
        .transform_fold(["limit_seconds", "rest_seconds"], as_=["part", "part_seconds"])
        .transform_calculate(
            rank="datum.part == 'limit_seconds' ? 0 : 1",
            what=f"datum.part == 'limit_seconds' ? {json.dumps(PEAK)} : {json.dumps(REST)}",
        )
        .mark_bar()
        .encode(
            y=alt.Y("framework:N", sort=None, title=None),
            x=alt.X("sum(part_seconds):Q", title="seconds of an epoch"),
            color=alt.Color(
                "what:N",
                scale=alt.Scale(domain=[PEAK, REST]),
                legend=alt.Legend(title=None),
            ),
            order=alt.Order("rank:Q"),
            tooltip=["framework:N", "what:N", alt.Tooltip("part_seconds:Q", title="seconds", format=".3f")],
        )
    )
