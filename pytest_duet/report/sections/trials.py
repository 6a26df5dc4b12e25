"""Every trial and every round as a dot: does a median hide two speeds, and who was disturbed?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt

from pytest_duet.report.additions import Material, Rows, Section, Words
from pytest_duet.report.charts import ROW_HEIGHT, Chart, chart
from pytest_duet.report.lenient import Record
from pytest_duet.report.reading import conditions, group_title, rows_of
from pytest_duet.report.saved_runs import SavedRun
from pytest_duet.report.sections.comparison import groups


def section(material: Material) -> Section:
    """Return the section."""
    dots, clocks = rows(material.run, material.words), clock_rows(material.run)
    by_group = groups(dots)

    def charts() -> dict[str, Chart]:
        made = {f"trials:{group}": _chart(group, its) for group, its in by_group.items()}
        return {**made, "clocks": Chart(clock_chart(material.words.round), "clocks")} if clocks else made

    shown, data = {"strips": list(by_group), "clocks": clocks}, {"trials": dots, "clocks": clocks}
    return Section("trials", "Trials", "Trials", 300, Path(__file__).with_name("trials.html"), shown, data, charts)


def _chart(group: str, its: Rows) -> Chart:
    height = 40 + 2 * ROW_HEIGHT * len({row["framework"] for row in its})
    return Chart(strip_chart(), "trials", height, {"group": group})


def rows(run: SavedRun, words: Words) -> Rows:
    """Return the steady rounds of every trial as dictionaries, and its median as one of ``kind`` "trial"."""
    return [
        record
        for row in rows_of(run)
        for number, trial in enumerate(row.records("trials"), start=1)
        for record in _trial({**conditions(row), "group": group_title(row, words), "trial": number}, trial)
    ]


def _trial(same: dict[str, Any], trial: Record) -> Rows:
    reasons = _joined(trial.get("disturbance", "reasons"))
    same = {**same, "disturbed": "disturbed" if reasons else "undisturbed", "reasons": reasons}
    rounds = [(its.number("epoch"), its.number("seconds")) for its in trial.records("epochs")]
    found = [(number, seconds) for number, seconds in rounds if seconds and number and number > 1]
    steady = [{**same, "kind": "epoch", "epoch": number, "seconds": seconds} for number, seconds in found]
    median = trial.number("epoch_seconds")
    return steady + ([{**same, "kind": "trial", "epoch": None, "seconds": median}] if median else [])


def _joined(texts: Any) -> str:
    return "; ".join(map(str, texts)) if isinstance(texts, list) else ""


def strip_chart() -> Any:
    """Return the chart of one group: small dots are rounds, ticks are the trials' medians."""
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


def clock_rows(run: SavedRun) -> Rows:
    """Return the GPU's clock in every round that has one, as dictionaries; empty on a CPU."""
    return list(_clocks(run))


def _clocks(run: SavedRun) -> Iterator[dict[str, Any]]:
    for row in rows_of(run):
        for number, trial in enumerate(row.records("trials"), start=1):
            for its in trial.records("epochs"):
                clock = its.number("gpu_clock_mhz")
                if clock is not None:
                    yield {
                        "framework": row.text("framework"),
                        "trial": number,
                        "epoch": its.number("epoch"),
                        "megahertz": clock,
                        "throttled": _joined(its.get("gpu_throttle_reasons")) or "no",
                    }


def clock_chart(what: str) -> Any:
    """Return the chart of the GPU's clock over the rounds.

    :param what: they are called.
    """
    return (
        chart("rows")
        .mark_point(filled=True, size=40)
        .encode(
            x=alt.X("epoch:O", title=what, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("megahertz:Q", title="mean SM clock, MHz", scale=alt.Scale(zero=False)),
            color=alt.Color("framework:N", legend=alt.Legend(title=None)),
            shape=alt.Shape("throttled:N", legend=alt.Legend(title="throttled")),
            tooltip=["framework:N", "trial:O", "epoch:O", "megahertz:Q", "throttled:N"],
        )
    )
