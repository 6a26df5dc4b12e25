"""Where an epoch goes, as far as it was measured: products at the machine's limit, everything else, and idle cores."""

from __future__ import annotations

import json

import altair as alt

from benchmarks.summary import busy_seconds_of_an_epoch
from pytest_duet.report.charts import chart
from pytest_duet.report.saved_runs import contract
from pytest_duet.report.sections.comparison import benches, limit_share

LIMIT, REST = "matrix products, at the machine's limit", "everything else"


def rows(run):
    """Return, for every framework whose limit is known, its parts of a steady epoch and its cores as a dictionary.

    ``limit_seconds`` is what the epoch's matrix products alone would take at the best rate measured on this machine;
    ``rest_seconds`` is all that it took beyond that; ``busy_cores`` is CPU time over wall time. Of a GPU that was
    profiled, ``device_busy_seconds`` is how long it ran kernels or copies, and ``device_idle_seconds`` the others.
    """
    found = []
    for bench in benches(run):
        row = bench.record("extra_info")
        seconds, flops = row.number("epoch_seconds"), row.number("flops_per_epoch")
        limit, cpu = row.number("limit", "flops_per_second"), row.number("cpu_seconds")
        if not (seconds and flops and limit) or limit_share(row) is None:
            continue
        cores = row.get("threads", "cores")
        execution, data, precision = contract(row)
        busy = _device_busy_seconds(row)
        found.append(
            {
                "framework": row.text("framework"),
                "execution": execution,
                "data": data,
                "precision": precision,
                "device": row.text("device"),
                "seconds": seconds,
                "limit_seconds": flops / limit,
                "rest_seconds": seconds - flops / limit,
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
            what=f"datum.part == 'limit_seconds' ? {json.dumps(LIMIT)} : {json.dumps(REST)}",
        )
        .mark_bar()
        .encode(
            y=alt.Y("framework:N", sort=None, title=None),
            x=alt.X("sum(part_seconds):Q", title="seconds of an epoch"),
            color=alt.Color(
                "what:N",
                scale=alt.Scale(domain=[LIMIT, REST]),
                legend=alt.Legend(title=None),
            ),
            order=alt.Order("rank:Q"),
            tooltip=["framework:N", "what:N", alt.Tooltip("part_seconds:Q", title="seconds", format=".3f")],
        )
    )
