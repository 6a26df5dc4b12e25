"""The verdict: one sentence, then each cell that somebody must look at."""

from __future__ import annotations

from typing import Any

from pytest_duet.judge.verdict import Verdict, smallest_visible
from pytest_duet.record.metrics import ACCURACY
from pytest_duet.report.lenient import Record
from pytest_duet.report.verdicts import TITLES, quantity

NEEDS_SOMEBODY = (Verdict.REGRESSED, Verdict.MACHINE, Verdict.VOID, Verdict.IMPROVED)


def sentence(gate: Record) -> tuple[str, str]:
    """Return what a manager wants to know, and its tone: ``"bad"``, ``"open"``, ``"good"`` or ``"none"``.

    :param gate: what the gate said, empty if it was not asked.
    """
    cells = gate.records("cells")
    said = [cell.text("verdict") for cell in cells]
    failed = int(gate.number("failed_tests") or 0)
    if Verdict.REGRESSED in said:
        return _regressed([cell for cell in cells if cell.text("verdict") == Verdict.REGRESSED], len(cells)), "bad"
    if failed:
        return f"{_count(failed, 'test')} failed, so not all could be judged.", "bad"
    if gate.get("interrupted") is True:
        return "The run was interrupted, so not all was measured and judged.", "open"
    if not cells:
        return "The gate was not asked: this report compares, and judges nothing.", "none"
    if Verdict.VOID in said:
        return "A benchmark failed, so not all could be judged.", "bad"
    if Verdict.MACHINE in said:
        return "Everything slowed by the same factor: look at the machine before you look at the code.", "open"
    clean = said.count(Verdict.CLEAN) + said.count(Verdict.IMPROVED)
    if clean == len(said):
        return f"Nothing got worse: all {len(said)} figures are as good as they were, within the margins.", "good"
    if said.count(Verdict.MISSING) == len(said):
        needs = "more trials" if gate.text("mode") == "against" else "more accepted runs to judge by"
        return f"There is no verdict yet: the gate needs {needs}.", "none"
    rest = len(said) - clean
    return f"No regression was found: {clean} of {len(said)} figures are clean, {rest} cannot be told yet.", "open"


def judged_against(gate: Record) -> str:
    """Return what the gate held this run against, in a sentence; ``""`` if nothing."""
    if gate.text("mode") == "against":
        return f"Judged against {gate.text('against')}, which took turns with it in the same session."
    runs = [runs for cell in gate.records("cells") if (runs := cell.number("runs"))]
    if gate.text("mode") == "history" and runs:
        return f"Judged against the accepted runs before it, {max(runs):g} at the most."
    return ""


def _regressed(cells: list[Record], of: int) -> str:
    """Tell the worst: another accuracy goes before everything else, since then something else is trained."""
    worst = max(cells, key=lambda cell: (cell.text("metric") == ACCURACY, cell.number("low") or 0))
    metric, was, now = worst.text("metric"), worst.number("was"), worst.number("now")
    what = f"{worst.text('framework')}'s {TITLES.get(metric, metric)}"
    if was and now:
        what += f", {was:.4f} then and {now:.4f} now" if metric == ACCURACY else f", {now / was - 1:+.1%}"
    if len(cells) == 1:
        return f"One of {of} figures {'changed' if metric == ACCURACY else 'got worse'}: {what}."
    return f"{len(cells)} of {of} figures got worse, most of all {what}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def rows(gate: Record) -> list[dict[str, Any]]:
    """Return the cells as dictionaries, those that need somebody first; what is unknown is None."""
    order: dict[str, int] = {verdict: place for place, verdict in enumerate(Verdict)}
    cells = sorted(gate.records("cells"), key=lambda cell: order.get(cell.text("verdict"), len(order)))
    return [_row(cell) for cell in cells]


def _row(cell: Record) -> dict[str, Any]:
    metric, low, high, margin = cell.text("metric"), cell.number("low"), cell.number("high"), cell.number("margin")
    known = metric in TITLES
    return {
        "benchmark": cell.text("benchmark"),
        "framework": cell.text("framework"),
        "metric": metric,
        "title": TITLES.get(metric, metric),
        "verdict": cell.text("verdict"),
        "urgent": cell.text("verdict") in NEEDS_SOMEBODY,
        "was": cell.number("was"),
        "now": cell.number("now"),
        "was_text": quantity(cell.number("was"), metric) if known else "-",
        "now_text": quantity(cell.number("now"), metric) if known else "-",
        "low": low,
        "high": high,
        "margin": margin,
        "visible": smallest_visible(low, high, margin) if low and high and margin else None,
        "trials": cell.number("trials"),
        "runs": cell.number("runs"),
        "note": cell.text("note"),
    }
