"""The verdict: one sentence, then each comparison that somebody must look at."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.metrics import Metric
from pytest_duet.record.saved_run import GateRecord

NEEDS_SOMEBODY = (Verdict.REGRESSED, Verdict.MACHINE, Verdict.VOID, Verdict.IMPROVED)


def sentence(gate: GateRecord) -> tuple[str, str]:
    """Return what a manager wants to know, and its tone: ``"bad"``, ``"open"``, ``"good"`` or ``"none"``."""
    said = [one.verdict for one in gate.comparisons]
    failed = gate.failed_tests
    if Verdict.REGRESSED in said:
        return _regressed(gate), "bad"
    if failed:
        return f"{failed} test{'s' if failed != 1 else ''} failed, so not all could be judged.", "bad"
    if gate.interrupted:
        return "The run was interrupted, so not all was measured and judged.", "open"
    if not said:
        return "The gate was not asked: this report compares, and judges nothing.", "none"
    if Verdict.VOID in said:
        return "A benchmark failed, so not all could be judged.", "bad"
    if Verdict.MACHINE in said:
        return "Everything slowed by the same factor: look at the machine before you look at the code.", "open"
    clean = said.count(Verdict.CLEAN) + said.count(Verdict.IMPROVED)
    if clean == len(said):
        return f"Nothing got worse: all {len(said)} figures are as good as they were, within the margins.", "good"
    if said.count(Verdict.MISSING) == len(said):
        needs = "more trials" if gate.mode == "against" else "more accepted runs to judge by"
        return f"There is no verdict yet: the gate needs {needs}.", "none"
    rest = len(said) - clean
    return f"No regression was found: {clean} of {len(said)} figures are clean, {rest} cannot be told yet.", "open"


def judged_against(gate: GateRecord) -> str:
    """Return what the gate held this run against, in a sentence; ``""`` if nothing."""
    if gate.mode == "against":
        return f"Judged against {gate.against}, which took turns with it in the same session."
    runs = [one.runs for one in gate.comparisons if one.runs]
    if gate.mode == "history" and runs:
        return f"Judged against the accepted runs before it, {max(runs)} at the most."
    return ""


def _regressed(gate: GateRecord) -> str:
    """Tell the worst: what may not change at all goes before everything else, since then other work is done."""
    found = [one for one in gate.comparisons if one.verdict is Verdict.REGRESSED]
    worst = max(found, key=lambda one: (_metric(gate, one).exact, one.low or 0))
    metric, of = _metric(gate, worst), len(gate.comparisons)
    what = f"{worst.subject}'s {metric.title}"
    if worst.old and worst.new:
        old, new = metric.text(worst.old), metric.text(worst.new)
        what += f", {old} then and {new} now" if metric.exact else f", {worst.new / worst.old - 1:+.1%}"
    if len(found) == 1:
        return f"One of {of} figures {'changed' if metric.exact else 'got worse'}: {what}."
    return f"{len(found)} of {of} figures got worse, most of all {what}."


def rows(gate: GateRecord) -> list[dict[str, Any]]:
    """Return the comparisons as dictionaries, those that need somebody first; what is unknown is None."""
    order = list(Verdict)
    return [_row(one, _metric(gate, one)) for one in sorted(gate.comparisons, key=lambda one: order.index(one.verdict))]


def _row(one: Comparison, metric: Metric) -> dict[str, Any]:
    return {
        **asdict(one),
        "title": metric.title,
        "urgent": one.verdict in NEEDS_SOMEBODY,
        "old_text": metric.text(one.old),
        "new_text": metric.text(one.new),
    }


def _metric(gate: GateRecord, one: Comparison) -> Metric:
    return gate.metrics.get(one.metric) or Metric(one.metric, one.metric, "")
