"""Two saved runs side by side: ``report --compare A B``. It compares, and judges nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from pytest_duet.record.lookback import differences
from pytest_duet.record.metrics import ACCURACY
from pytest_duet.report.saved_runs import Point, SavedRun
from pytest_duet.report.verdicts import TITLES, quantity

NOTE = (
    "Two runs do not show how much runs differ with nothing changed. Whether a difference is more than that, the gate "
    "tells (--gate, --against)."
)
FIELDS = {
    "epoch_seconds": "seconds",
    "first_epoch_seconds": "first_epoch_seconds",
    "peak_memory_bytes": "memory_bytes",
    ACCURACY: "accuracy",
}


def compare(a: SavedRun, b: SavedRun) -> dict[str, Any]:
    """Return what the page and :func:`as_text` show of two runs.

    ``rows``: for every benchmark that either has and every metric, both values, their ratio, and whether the intervals
    over the trials overlap; what is unknown is None, or ``""``.
    """
    first, second = ({point.benchmark: point for point in run.points} for run in (a, b))
    names = list(dict.fromkeys([*first, *second]))
    rows = [_row(name, metric, first.get(name), second.get(name)) for name in names for metric in FIELDS]
    rows = [row for row in rows if row["a"] is not None or row["b"] is not None]
    a_name, b_name = (a.name, b.name) if a.name != b.name else (f"{a.name} (first)", f"{b.name} (second)")
    return {"a": a_name, "b": b_name, "note": " ".join([*_unlike(a, b, first, second), NOTE]), "rows": rows}


def _unlike(a: SavedRun, b: SavedRun, first: dict[str, Point], second: dict[str, Point]) -> Iterator[str]:
    """Return a sentence for everything that makes the two runs differ beside their code."""
    if a.fingerprint is None or b.fingerprint is None:
        yield "Not both runs say which machine they are from."
    else:
        for field, then, now in differences(a.fingerprint, b.fingerprint):
            yield f"The machine differs: {field} {then!r} against {now!r}."
    for name in first.keys() & second.keys():
        if first[name].contract != second[name].contract or first[name].device != second[name].device:
            yield f"{name} has another contract or device."
        if first[name].memory_source != second[name].memory_source:
            yield f"{name}'s memory is from two sources, which do not compare."
        if first[name].disturbed or second[name].disturbed:
            yield f"{name} was disturbed in {first[name].disturbed} and {second[name].disturbed} trials."


def _row(name: str, metric: str, a: Point | None, b: Point | None) -> dict[str, Any]:
    was: float | None = getattr(a, FIELDS[metric], None)
    now: float | None = getattr(b, FIELDS[metric], None)
    alike = metric != "peak_memory_bytes" or (a and a.memory_source) == (b and b.memory_source)
    return {
        "benchmark": name,
        "metric": metric,
        "title": TITLES[metric],
        "a": was,
        "b": now,
        "a_text": quantity(was, metric),
        "b_text": quantity(now, metric),
        "ratio": now / was if was and now and alike else None,
        "overlap": _overlap(a, b) if a and b and metric == "epoch_seconds" else "",
    }


def _overlap(a: Point, b: Point) -> str:
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return ""
    return "yes" if a.low <= b.high and b.low <= a.high else "no"


def as_text(compared: dict[str, Any]) -> str:
    """Return the comparison as a table for a terminal."""
    from pytest_duet.report.text_table import as_table

    headings, lines = _lines(compared)
    return f"{as_table(headings, lines, right=headings[2:5])}\n{textwrap.fill(compared['note'], 110)}"


def _lines(compared: dict[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    headings = ("benchmark", "metric", compared["a"], compared["b"], "second/first", "trials overlap")
    return headings, [
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
