"""The subjects side by side: one group for each device, labels and work, and nothing across groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt

from pytest_duet.record.row import Row
from pytest_duet.report.additions import Column, Material, Rows, Section, Words
from pytest_duet.report.charts import ROW_HEIGHT, Chart, chart, colour
from pytest_duet.report.gather import Gathered
from pytest_duet.report.reading import Entry, conditions, first_seconds, group_title, memory, versions
from pytest_duet.report.saved_runs import Point

# Each memory source means something else, so each has a column of its own.
MEMORY = {
    "nvml_process_peak_bytes": "GPU memory, NVML's for the process",
    "allocator_peak_bytes": "live arrays, by the allocator",
    "allocator_reserved_bytes": "the allocator's pool",
    "nvml_device_delta_peak_bytes": "GPU memory, device's increase",
    "host_peak_rss_bytes": "host memory, peak RSS",
}


def _column(source: str, title: str) -> Column:
    def value(row: Row, _: Any) -> float | None:
        return memory(row, source)

    return Column(source, value, "{:,.0f}", 2**20, page=f"{title}, MiB", place=70, optional=True)


COLUMNS = tuple(_column(source, title) for source, title in MEMORY.items())


def rows(gathered: Gathered, columns: Sequence[Column], words: Words) -> Rows:
    """Return the shown run's rows as dictionaries, group by group, the fastest first; what is unknown is None."""
    points = {point.benchmark: point for point in gathered.shown.points}
    found = [_row(points[name], its, columns, words) for name, its in gathered.rows.items() if name in points]
    return sorted(found, key=lambda row: (row["group"], row["seconds"]))


def _row(point: Point, its: Entry, columns: Sequence[Column], words: Words) -> dict[str, Any]:
    row, _ = its
    return {
        "benchmark": point.benchmark,
        **conditions(row),
        "group": group_title(row),
        "work": row.work,
        "round": (words.round_of and words.round_of(*its)) or words.round,
        "seconds": point.seconds,
        "low": point.low,
        "high": point.high,
        "confidence": point.confidence,
        "first_seconds": first_seconds(row),
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
    beside = [row for row in material.compared if _beside(row) == _beside(its[0])]
    longest = max(row["high"] or row["seconds"] for row in beside)
    made = time_chart(material.names, longest)
    return Chart(made, "comparison", 40 + ROW_HEIGHT * len(its), {"group": group})


def _beside(row: dict[str, Any]) -> tuple[str, str]:
    return row["device"], row["work"]


def time_chart(names: Sequence[str], longest: float) -> Any:
    """Return the chart of one group: a line for each subject, its median and its interval.

    :param longest: seconds at the right end, the same for all groups of a device and a work.
    """
    y = alt.Y("subject:N", sort=None, title=None)  # the rows come in order, the fastest first
    x = alt.X("seconds:Q", title="seconds, from 0: lengths compare", scale=alt.Scale(domain=[0, longest]))
    tooltip = [
        alt.Tooltip("subject:N"),
        alt.Tooltip("seconds:Q", title="median, s", format=".4f"),
        alt.Tooltip("low:Q", title="from, s", format=".4f"),
        alt.Tooltip("high:Q", title="to, s", format=".4f"),
        alt.Tooltip("confidence:Q", title="holds the median with", format=".0%"),
        alt.Tooltip("trials:Q"),
    ]
    base = chart("rows").encode(y=y, color=colour(names, legend=False), tooltip=tooltip)
    whisker = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=3).encode(x="low:Q", x2="high:Q")
    return whisker + base.mark_point(size=90, filled=True, opacity=1).encode(x=x)
