"""The subjects side by side: one group for each contract, device and workload, and nothing across groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt

from pytest_duet.report.additions import Column, Material, Rows, Section, Words
from pytest_duet.report.charts import ROW_HEIGHT, Chart, chart, colour
from pytest_duet.report.lenient import Record
from pytest_duet.report.reading import benches, conditions, group_title, is_whole, steps, versions
from pytest_duet.report.saved_runs import Point, SavedRun

# Each memory source means something else, so each has a column of its own.
MEMORY = {
    "nvml_process_peak_bytes": "GPU memory, NVML's for the process",
    "allocator_peak_bytes": "live arrays, by the allocator",
    "allocator_reserved_bytes": "the allocator's pool",
    "nvml_device_delta_peak_bytes": "GPU memory, device's increase",
    "host_peak_rss_bytes": "host memory, peak RSS",
}


def memory_column(source: str, title: str, place: int = 70) -> Column:
    """Return the column of a source of memory."""

    def value(row: Record) -> float | None:
        return row.number("memory", source)

    return Column(source, value, "{:,.0f}", 2**20, page=f"{title}, MiB", place=place, optional=True)


COLUMNS = tuple(memory_column(source, title) for source, title in MEMORY.items())


def rows(run: SavedRun, columns: Sequence[Column], words: Words) -> Rows:
    """Return a run's rows as dictionaries, group by group, the fastest of each first; unknown figures are None.

    :param run: with its data.
    """
    points = {point.benchmark: point for point in run.points}
    named = [(bench.record("extra_info"), points.get(bench.text("fullname"))) for bench in benches(run)]
    found = [_row(row, point, words, columns) for row, point in named if point]
    return sorted(found, key=lambda row: (row["group"], row["seconds"]))


def _row(row: Record, point: Point, words: Words, columns: Sequence[Column]) -> dict[str, Any]:
    return {
        "benchmark": point.benchmark,
        **conditions(row),
        "group": group_title(row, words),
        "workload": words.workload(row),
        "seconds": point.seconds,
        "low": point.low,
        "high": point.high,
        "confidence": point.confidence,
        "whole": is_whole(row) and row.number("epoch_seconds") is not None,
        "steps": steps(row),
        "first_epoch_seconds": point.first_epoch_seconds,
        "trials": len(row.records("trials")),
        "disturbed": point.disturbed,
        "versions": versions(row),
        **{column.name: column.value(row) for column in columns if column.page},
    }


def section(material: Material) -> Section:
    """Return the section."""
    words, compared, by_group = material.words, material.compared, groups(material.compared)
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
    beside = [row for row in material.compared if _beside(row) == _beside(its[0])]
    longest = max(row["high"] or row["seconds"] for row in beside)
    made = time_chart(material.names, longest)
    return Chart(made, "comparison", 40 + ROW_HEIGHT * len(its), {"group": group})


def _beside(row: dict[str, Any]) -> tuple[str, str]:
    return row["device"], row["workload"]


def time_chart(names: Sequence[str], longest: float) -> Any:
    """Return the chart of one group: a line for each subject, its median and its interval.

    :param longest: seconds at the right end, the same for all groups of a device and a workload.
    """
    y = alt.Y("framework:N", sort=None, title=None)  # the rows come in order, the fastest first
    x = alt.X("seconds:Q", title="seconds, from 0: lengths compare", scale=alt.Scale(domain=[0, longest]))
    tooltip = [
        alt.Tooltip("framework:N"),
        alt.Tooltip("seconds:Q", title="median, s", format=".4f"),
        alt.Tooltip("low:Q", title="from, s", format=".4f"),
        alt.Tooltip("high:Q", title="to, s", format=".4f"),
        alt.Tooltip("confidence:Q", title="holds the median with", format=".0%"),
        alt.Tooltip("trials:Q"),
    ]
    base = chart("rows").encode(y=y, color=colour(names, legend=False), tooltip=tooltip)
    whisker = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=3).encode(x="low:Q", x2="high:Q")
    return whisker + base.mark_point(size=90, filled=True, opacity=1).encode(x=x)
