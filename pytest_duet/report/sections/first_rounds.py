"""What the first round costs, compiling included, and after how many rounds that has paid."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Any

import altair as alt

from pytest_duet.report.additions import Material, Rows, Section
from pytest_duet.report.charts import Chart, chart, colour
from pytest_duet.report.sections.comparison import groups

LEAST, MOST = 6, 100  # rounds on the axis
KEPT = ("subject", "device", "labels", "group")  # of a row, what its line is chosen and drawn by


def section(material: Material) -> Section:
    """Return the section."""
    words = material.words
    known = [row for row in material.compared if row["first_seconds"] and row["seconds"]]
    several = {group: its for group, its in groups(known).items() if len(its) > 1}
    shown: dict[str, Any] = {"groups": {}}
    lines: Rows = []
    for group, its in several.items():
        leads = leaders(its)
        shown["groups"][group] = {"said": in_words(leads, words.round), "rows": sorted(its, key=once)}
        last = min(max(LEAST, *(2 * start for start, _ in leads)), MOST)
        lines += [
            {name: row[name] for name in KEPT}
            | {"number": number, "total": row["first_seconds"] + (number - 1) * row["seconds"]}
            for row in its
            for number in range(1, last + 1)
        ]

    def charts() -> dict[str, Chart]:
        made = totals_chart(material.names, words.round)
        return {f"first:{group}": Chart(made, "totals", where={"group": group}) for group in several}

    template = Path(__file__).with_name("first_rounds.html") if several else None
    title = f"The first {words.round}, and when it has paid"
    return Section("first", title, f"First {words.round}", 120, template, shown, {"totals": lines}, charts)


def once(row: dict[str, Any]) -> float:
    """Return what the first round costs more than a later one, in seconds."""
    extra: float = row["first_seconds"] - row["seconds"]
    return extra


def leaders(its: Rows) -> list[tuple[int, str]]:
    """Return who has done the most rounds in the same time: from which number of rounds on it is whom."""
    found: list[tuple[int, str]] = []
    number = 1
    while True:
        leader = min(its, key=lambda row: (once(row) + number * row["seconds"], row["seconds"]))
        if not found or found[-1][1] != leader["subject"]:
            found.append((number, leader["subject"]))
        faster = [row for row in its if row["seconds"] < leader["seconds"]]
        if not faster:
            return found
        catches_up = [(once(row) - once(leader)) / (leader["seconds"] - row["seconds"]) for row in faster]
        number = max(number + 1, ceil(min(catches_up) + 1e-9))


def in_words(leads: list[tuple[int, str]], round_name: str) -> str:
    """Return the same as a sentence."""
    (_, first), *later = leads
    if not later:
        return f"{first} is ahead from the first {round_name} on."
    parts = [f"from {round_name} {start} on {name}" for start, name in later]
    return f"At first {first} is ahead, {', '.join(parts)}."


def totals_chart(names: list[str], round_name: str) -> Any:
    """Return the chart of one group: the time until so many rounds are done, a line for each subject."""
    return (
        chart("rows")
        .mark_line()
        .encode(
            x=alt.X("number:Q", title=f"{round_name}s done", axis=alt.Axis(tickMinStep=1, grid=False)),
            y=alt.Y("total:Q", title="seconds since the first began"),
            color=colour(names),
            tooltip=["subject:N", alt.Tooltip("number:Q"), alt.Tooltip("total:Q", title="seconds", format=".2f")],
        )
    )
