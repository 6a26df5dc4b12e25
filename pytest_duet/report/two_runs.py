"""Two saved runs side by side: ``report --compare A B``. It compares, and judges nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_duet.record.lookback import differences
from pytest_duet.record.metrics import MEMORY, Metric
from pytest_duet.report.saved_runs import TIME, Point, ReportRun

NOTE = (
    "Two runs do not show how much runs differ with nothing changed. Whether a difference is more than that, the gate "
    "tells (--gate, --against)."
)


def compare(a: ReportRun, b: ReportRun, metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """Return what the page and :func:`as_text` show of two runs.

    ``rows``: for every benchmark that either has and every metric, both values, their ratio, and whether the intervals
    over the trials overlap; what is unknown is None, or ``""``.
    """
    first, second = ({point.benchmark: point for point in run.points} for run in (a, b))
    names = list(dict.fromkeys([*first, *second]))
    rows = [_row(metrics, name, metric, first.get(name), second.get(name)) for name in names for metric in metrics]
    rows = [row for row in rows if row["a"] is not None or row["b"] is not None]
    a_name, b_name = (a.name, b.name) if a.name != b.name else (f"{a.name} (first)", f"{b.name} (second)")
    return {"a": a_name, "b": b_name, "note": " ".join([*_unlike(a, b, first, second), NOTE]), "rows": rows}


def _unlike(a: ReportRun, b: ReportRun, first: dict[str, Point], second: dict[str, Point]) -> Iterator[str]:
    """Return a sentence for everything that makes the two runs differ beside their code."""
    if a.fingerprint is None or b.fingerprint is None:
        yield "Not both runs say which machine they are from."
    else:
        for field, then, now in differences(a.fingerprint, b.fingerprint):
            yield f"The machine differs: {field} {then!r} against {now!r}."
    for name in first.keys() & second.keys():
        its, other = first[name], second[name]
        for what in ("device", "labels", "work"):
            if getattr(its, what) != getattr(other, what):
                yield f"{name} has another {what.rstrip('s')}."
        if its.memory_source != other.memory_source:
            yield f"{name}'s memory is from two sources, which do not compare."
        if its.disturbed or other.disturbed:
            yield f"{name} was disturbed in {its.disturbed} and {other.disturbed} trials."


def _row(metrics: Mapping[str, Metric], name: str, metric: str, a: Point | None, b: Point | None) -> dict[str, Any]:
    old, new = (point.figures.get(metric) if point else None for point in (a, b))
    alike = metric != MEMORY or (a and a.memory_source) == (b and b.memory_source)
    return {
        "benchmark": name,
        "metric": metrics[metric].name,
        "title": metrics[metric].title,
        "a": old,
        "b": new,
        "a_text": metrics[metric].text(old),
        "b_text": metrics[metric].text(new),
        "ratio": new / old if old and new and alike else None,
        "overlap": _overlap(a, b) if a and b and metric == TIME else "",
    }


def _overlap(a: Point, b: Point) -> str:
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return ""
    return "yes" if a.low <= b.high and b.low <= a.high else "no"


def as_text(compared: dict[str, Any]) -> str:
    """Return the comparison as a table for a terminal."""
    from pytest_duet.report.text_table import as_table

    headings = ("benchmark", "metric", compared["a"], compared["b"], "second/first", "trials overlap")
    lines = [
        (
            row["benchmark"].rpartition("::")[2],
            row["title"],
            row["a_text"],
            row["b_text"],
            "-" if row["ratio"] is None else f"{row['ratio']:.3f}",
            row["overlap"] or "-",
        )
        for row in compared["rows"]
    ]
    return f"{as_table(headings, lines, right=headings[2:5])}\n{textwrap.fill(compared['note'], 110)}"
