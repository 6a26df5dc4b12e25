"""Every trial and every epoch as a dot: does a median hide two speeds, and who was disturbed?"""

from __future__ import annotations

import altair as alt

from pytest_duet.report.charts import chart
from pytest_duet.report.saved_runs import contract
from pytest_duet.report.sections.comparison import benches, group_title


def rows(run):
    """Return the steady epochs of every trial as dictionaries, and its median as one of ``kind`` "trial"."""
    return [
        record
        for bench in benches(run)
        for number, trial in enumerate(bench.records("extra_info", "trials"), start=1)
        for record in _trial(bench.record("extra_info"), number, trial)
    ]


def _trial(row, number, trial):
    reasons = _joined(trial.get("disturbance", "reasons"))
    execution, data, precision = contract(row)
    same = {
        "framework": row.text("framework"),
        "execution": execution,
        "data": data,
        "precision": precision,
        "device": row.text("device"),
        "group": group_title(row),
        "trial": number,
        "disturbed": "disturbed" if reasons else "undisturbed",
        "reasons": reasons,
    }
    epochs = [(epoch.number("epoch"), epoch.number("seconds")) for epoch in trial.records("epochs")]
    found = [{**same, "kind": "epoch", "epoch": epoch, "seconds": seconds} for epoch, seconds in epochs if seconds]
    median = trial.number("epoch_seconds")
    steady = [record for record in found if record["epoch"] and record["epoch"] > 1]
    return steady + ([{**same, "kind": "trial", "epoch": None, "seconds": median}] if median else [])


def _joined(texts):
    return "; ".join(map(str, texts)) if isinstance(texts, list) else ""


def strip_chart():
    """Return the chart of one group: small dots are epochs, ticks are the trials' medians."""
    y = alt.Y("framework:N", title=None)
    x = alt.X("seconds:Q", title="seconds", scale=alt.Scale(zero=False))
    colour = alt.Color(
        "disturbed:N",
        scale=alt.Scale(domain=["undisturbed", "disturbed"]),
        legend=alt.Legend(title=None),
    )
    tooltip = [
        "framework:N",
        "trial:O",
        "epoch:O",
        alt.Tooltip("seconds:Q", format=".4f"),
        alt.Tooltip("reasons:N", title="disturbed by"),
    ]
    base = chart("rows").encode(x=x, y=y, yOffset="trial:O", color=colour, tooltip=tooltip)
    ticks = base.transform_filter("datum.kind == 'trial'").mark_tick(thickness=3, size=14)
    dots = base.transform_filter("datum.kind == 'epoch'").mark_point(size=22, opacity=0.7)
    return dots.encode(shape=alt.Shape("disturbed:N", legend=None)) + ticks


def clock_rows(run):
    """Return the GPU's clock in every epoch that has one, as dictionaries; empty on a CPU."""
    return [
        {
            "framework": bench.text("extra_info", "framework"),
            "trial": number,
            "epoch": epoch.number("epoch"),
            "megahertz": epoch.number("gpu_clock_mhz"),
            "throttled": _joined(epoch.get("gpu_throttle_reasons")) or "no",
        }
        for bench in benches(run)
        for number, trial in enumerate(bench.records("extra_info", "trials"), start=1)
        for epoch in trial.records("epochs")
        if epoch.number("gpu_clock_mhz") is not None
    ]


def clock_chart():
    """Return the chart of the GPU's clock over the epochs."""
    return (
        chart("rows")
        .mark_point(filled=True, size=40)
        .encode(
            x=alt.X("epoch:O", title="epoch", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("megahertz:Q", title="mean SM clock, MHz", scale=alt.Scale(zero=False)),
            color=alt.Color("framework:N", legend=alt.Legend(title=None)),
            shape=alt.Shape("throttled:N", legend=alt.Legend(title="throttled")),
            tooltip=["framework:N", "trial:O", "epoch:O", "megahertz:Q", "throttled:N"],
        )
    )
