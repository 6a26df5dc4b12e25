"""The subjects side by side, in one chart and one table for each device and work, coloured by how they do the work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt

from pytest_duet.record.row import Row
from pytest_duet.report.additions import Column, Material, Rows, Section, Words
from pytest_duet.report.charts import ROW_HEIGHT, Chart, chart
from pytest_duet.report.gather import Gathered
from pytest_duet.report.reading import SOURCES, Entry, conditions, first_seconds, group_title, label, memory, versions
from pytest_duet.report.saved_runs import Point


def _column(source: str, title: str) -> Column:
    def value(row: Row, _: Any) -> float | None:
        return memory(row, source)

    return Column(source, value, "{:,.0f}", 2**20, page=f"{title}, MiB", place=70, optional=True)


COLUMNS = tuple(_column(source, title) for source, title in SOURCES.items())


def rows(gathered: Gathered, columns: Sequence[Column], words: Words) -> Rows:
    """Return the shown run's rows as dictionaries, group by group, the fastest first; what is unknown is None."""
    points = {point.benchmark: point for point in gathered.shown.points}
    found = [_row(points[name], its, columns, words) for name, its in gathered.rows.items() if name in points]
    found.sort(key=lambda row: (row["group"], row["seconds"]))
    for its in groups(found).values():
        differing = [name for name in its[0]["labels"] if len({row["labels"].get(name) for row in its}) > 1]
        for row in its:
            row["kind"] = ", ".join(filter(None, (row["labels"].get(name) for name in differing)))
            row["ratio"] = row["seconds"] / its[0]["seconds"]
    return found


def _row(point: Point, its: Entry, columns: Sequence[Column], words: Words) -> dict[str, Any]:
    row, _ = its
    return {
        "benchmark": point.benchmark,
        **conditions(row),
        "group": group_title(row),
        "work": row.work,
        "how": label(row),
        "round": (words.round_of and words.round_of(*its)) or words.round,
        "seconds": point.seconds,
        "low": point.low,
        "high": point.high,
        "confidence": point.confidence,
        "first_seconds": first_seconds(row),
        "floor": words.floor_of(*its),
        "trials": len(row.trials),
        "disturbed": point.disturbed,
        "versions": versions(row),
        **{column.name: column.value(*its) for column in columns if column.page},
    }


def section(material: Material) -> Section:
    """Return the section."""
    words, compared = material.words, material.compared
    by_group = groups(compared)
    shown = {
        "groups": by_group,
        "columns": [
            column
            for column in material.columns
            if column.page and not (column.optional and all(row[column.name] is None for row in compared))
        ],
    }

    def charts() -> dict[str, Chart]:
        return {f"comparison:{group}": _chart(group, its, material) for group, its in by_group.items()}

    title = f"The {words.subject}s side by side"
    template = Path(__file__).with_name("comparison.html")
    return Section("comparison", title, "Comparison", 100, template, shown, {"comparison": compared}, charts)


def groups(found: Rows) -> dict[str, Rows]:
    """Return the rows by their group, in the order in which they stand."""
    by_group: dict[str, Rows] = {}
    for row in found:
        by_group.setdefault(row["group"], []).append(row)
    return by_group


def _chart(group: str, its: Rows, material: Material) -> Chart:
    floors = [row["floor"] for row in its if row["floor"]]
    made = time_chart(its, min(floors, default=None), material.names, material.words)
    return Chart(made, "comparison", 60 + ROW_HEIGHT * len(its), {"group": group})


def time_chart(its: Rows, floor: float | None, names: Sequence[str], words: Words) -> Any:
    """Return the chart of one group: a line for each subject, its median and its interval.

    Its colour tells how a subject does the work; the axis above, how many times the fastest one's time it takes.

    :param names: of all that the page shows.
    :param floor: the least seconds that a round could take on this machine; None where nobody knows.
    """
    longest, fastest = 1.02 * max(row["high"] or row["seconds"] for row in its), its[0]["seconds"]
    y = alt.Y("subject:N", sort=[row["subject"] for row in its], title=None)
    x = alt.X("seconds:Q", title="seconds, from 0: lengths compare", scale=alt.Scale(domain=[0, longest], nice=False))
    kinds = list(dict.fromkeys(row["kind"] for row in its))
    legend = alt.Legend(title=None, direction="horizontal", values=kinds) if len(kinds) > 1 else None
    # Behind the subjects' own colours, which the other charts use.
    colour = alt.Color("kind:N", scale=alt.Scale(domain=[*names, *kinds]), legend=legend)
    tooltip = [
        alt.Tooltip("subject:N"),
        alt.Tooltip("how:N", title="how"),
        alt.Tooltip("seconds:Q", title="median, s", format=".4f"),
        alt.Tooltip("low:Q", title="from, s", format=".4f"),
        alt.Tooltip("high:Q", title="to, s", format=".4f"),
        alt.Tooltip("confidence:Q", title="holds the median with", format=".0%"),
        alt.Tooltip("ratio:Q", title="times the fastest", format=".2f"),
        alt.Tooltip("trials:Q"),
    ]
    base = chart("rows").encode(y=y, color=colour, tooltip=tooltip)
    bars = base.mark_bar(opacity=0.25, height=14).encode(x=x)
    whisker = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=3).encode(x="low:Q", x2="high:Q")
    points = base.mark_point(size=90, filled=True, opacity=1).encode(x=x)
    seconds = bars + whisker + points
    if floor:
        line = chart("rows").transform_aggregate(floor="min(floor)").encode(x="floor:Q")
        text = line.mark_text(align="left", dx=4, dy=-2, baseline="bottom").encode(
            y=alt.value("height"), text=alt.value(words.floor)
        )
        seconds += line.mark_rule(strokeDash=[4, 3]) + text
    above = alt.X(
        "ratio:Q",
        title="times the fastest",
        scale=alt.Scale(domain=[0, longest / fastest], nice=False),
        axis=alt.Axis(orient="top", grid=False, tickCount=8),
    )
    times = chart("rows").mark_tick(opacity=0).encode(y=y, x=above)  # for its axis alone
    return alt.layer(times, seconds).resolve_scale(x="independent")
