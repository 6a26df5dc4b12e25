"""How the test of a benchmark's verdicts ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.saved_run import GateRecord
from pytest_duet.report import verdicts

# Which of "missing" and "inconclusive" makes the run fail because of a verdict other than "regressed".
FAILS_ON = {Verdict.INCONCLUSIVE: "inconclusive", Verdict.MACHINE: "inconclusive", Verdict.MISSING: "missing"}


def outcome(comparisons: Iterable[Comparison], fail_on: Collection[str], record: GateRecord) -> tuple[str, str]:
    """Return how the test of one benchmark's comparisons ends, in pytest's words, and what it says.

    It fails where one of them makes the run fail, and is skipped where one is left open. What fails comes first, a
    paragraph each.
    """
    told = [one for one in comparisons if one.verdict not in (Verdict.CLEAN, Verdict.IMPROVED)]
    if not told:
        return "passed", ""
    told.sort(key=lambda one: not _fails(one, fail_on))
    return "failed" if _fails(told[0], fail_on) else "skipped", verdicts.paragraphs(told, record)


def undecided(comparisons: Iterable[Comparison], fail_on: Collection[str]) -> int:
    """Return how many of the failed tests failed for nothing but comparisons that stayed open."""
    stayed_open: dict[str, bool] = {}
    for one in comparisons:
        if _fails(one, fail_on):
            is_open = FAILS_ON.get(one.verdict) == "inconclusive"
            stayed_open[one.benchmark] = stayed_open.get(one.benchmark, True) and is_open
    return sum(stayed_open.values())


def _fails(one: Comparison, fail_on: Collection[str]) -> bool:
    return one.verdict is Verdict.REGRESSED or (FAILS_ON.get(one.verdict) in fail_on and not one.no_worse)
