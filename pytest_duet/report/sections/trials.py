"""Every trial and every round as a dot: does a median hide two speeds, and who was disturbed?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import altair as alt

from pytest_duet.record.row import Row
from pytest_duet.report.additions import Material, Rows, Section
from pytest_duet.report.charts import ROW_HEIGHT, Chart, chart
from pytest_duet.report.reading import conditions, group_title
from pytest_duet.report.sections.comparison import groups
from pytest_duet.trials.trial import Trial


def section(material: Material) -> Section:
    """Return the section."""
    found = [row for row, _ in material.gathered.rows.values()]
    dots, clocks = rows(found), clock_rows(found)
    by_group = groups(dots)

    def charts() -> dict[str, Chart]:
        made = {f"trials:{group}": _chart(group, its) for group, its in by_group.items()}
        return {**made, "clocks": Chart(clock_chart(material.words.round), "clocks")} if clocks else made

    shown, data = {"strips": list(by_group), "clocks": clocks}, {"trials": dots, "clocks": clocks}
    return Section("trials", "Trials", "Trials", 300, Path(__file__).with_name("trials.html"), shown, data, charts)


def _chart(group: str, its: Rows) -> Chart:
    height = 40 + 2 * ROW_HEIGHT * len({row["subject"] for row in its})
    return Chart(strip_chart(), "trials", height, {"group": group})


def rows(found: Iterable[Row]) -> Rows:
    """Return the steady rounds of every trial as dictionaries, and its median as one of ``kind`` "trial"."""
    return [
        record
        for row in found
        for number, trial in enumerate(row.trials, start=1)
        for record in _trial({**conditions(row), "group": group_title(row), "trial": number}, trial)
    ]


def _trial(same: dict[str, Any], trial: Trial) -> Rows:
    reasons = "; ".join(trial.disturbance.reasons)
    same = {**same, "disturbed": "disturbed" if reasons else "undisturbed", "reasons": reasons}
    steady = [{**same, "kind": "round", "round": its.number, "seconds": its.seconds} for its in trial.steady]
    return steady + ([{**same, "kind": "trial", "round": None, "seconds": trial.seconds}] if trial.seconds else [])


def strip_chart() -> Any:
    """Return the chart of one group: small dots are rounds, ticks are the trials' medians."""
    y = alt.Y("subject:N", title=None)
    x = alt.X("seconds:Q", title="seconds", scale=alt.Scale(zero=False))
    colour = alt.Color(
        "disturbed:N",
        scale=alt.Scale(domain=["undisturbed", "disturbed"]),
        legend=alt.Legend(title=None),
    )
    tooltip = [
        "subject:N",
        "trial:O",
        "round:O",
        alt.Tooltip("seconds:Q", format=".4f"),
        alt.Tooltip("reasons:N", title="disturbed by"),
    ]
    base = chart("rows").encode(x=x, y=y, yOffset="trial:O", color=colour, tooltip=tooltip)
    ticks = base.transform_filter("datum.kind == 'trial'").mark_tick(thickness=3, size=14)
    dots = base.transform_filter("datum.kind == 'round'").mark_point(size=22, opacity=0.7)
    return dots.encode(shape=alt.Shape("disturbed:N", legend=None)) + ticks


def clock_rows(found: Iterable[Row]) -> Rows:
    """Return the GPU's clock in every round that has one, as dictionaries; empty on a CPU."""
    return [
        {
            "subject": row.subject,
            "trial": number,
            "round": its.number,
            "megahertz": its.gpu_clock_mhz,
            "throttled": "; ".join(its.gpu_throttle_reasons or ()) or "no",
        }
        for row in found
        for number, trial in enumerate(row.trials, start=1)
        for its in trial.rounds
        if its.gpu_clock_mhz is not None
    ]


def clock_chart(what: str) -> Any:
    """Return the chart of the GPU's clock over the rounds.

    :param what: they are called.
    """
    return (
        chart("rows")
        .mark_point(filled=True, size=40)
        .encode(
            x=alt.X("round:O", title=what, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("megahertz:Q", title="mean SM clock, MHz", scale=alt.Scale(zero=False)),
            color=alt.Color("subject:N", legend=alt.Legend(title=None)),
            shape=alt.Shape("throttled:N", legend=alt.Legend(title="throttled")),
            tooltip=["subject:N", "trial:O", "round:O", "megahertz:Q", "throttled:N"],
        )
    )
