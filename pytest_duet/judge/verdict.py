"""What a cell of the gate can say, and how many cells may say it by mistake.

A cell is one metric of one benchmark. A whole run's false alarms are held to ``FAMILY_ERROR``: it is split over the
metrics by their ``error_share`` (Bonferroni), and within a metric over its benchmarks by Holm's step-down procedure
(Holm, Scandinavian Journal of Statistics 6, 1979). A shard of a run has the part of it that its benchmarks are of the
run's (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import exp, log
from statistics import median

from pytest_duet.record.metrics import ACCURACY

FAMILY_ERROR = 0.05


class Verdict(StrEnum):
    REGRESSED = "regressed"  # the whole interval lies beyond the margin
    IMPROVED = "improved"  # beyond it on the other side
    CLEAN = "clean"  # the whole interval lies within the margin
    INCONCLUSIVE = "inconclusive"  # neither
    MACHINE = "the machine"  # every framework slowed by the same factor
    MISSING = "no baseline"  # nothing to judge by
    VOID = "void"  # the benchmark itself failed, so its figures mean nothing


@dataclass(frozen=True)
class Cell:
    """One metric of one benchmark, judged.

    :param benchmark: pytest-benchmark's ``fullname``.
    :param metric: a key of :data:`pytest_duet.record.metrics.METRICS`, or ``"accuracy"``.
    :param verdict: :class:`Verdict`.
    :param was: the old value: seconds, bytes or a share; None if unknown, as are all that follow.
    :param now: the new one.
    :param low: lower bound of new/old.
    :param high: upper bound of new/old.
    :param margin: the largest new/old that does not matter.
    :param alpha: the probability that either bound misses.
    :param trials: how many of the new side.
    :param runs: how many earlier ones make the baseline; None against another environment.
    :param note: what else there is to say, in a sentence or more.
    """

    benchmark: str
    framework: str
    metric: str
    verdict: Verdict
    was: float | None = None
    now: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    alpha: float | None = None
    trials: int | None = None
    runs: int | None = None
    note: str = ""

    def but(self, **changes):
        return replace(self, **changes)


def classify(low, high, margin):
    """Return the verdict on a ratio new/old between ``low`` and ``high`` where up to ``margin`` does not matter."""
    if low > margin:
        return Verdict.REGRESSED
    if high < 1 / margin:
        return Verdict.IMPROVED
    if 1 / margin <= low and high <= margin:
        return Verdict.CLEAN
    return Verdict.INCONCLUSIVE


def holm(judges, alpha):
    """Return the cells of one family, judged so that any false alarm among them has probability ``alpha`` at most.

    The m cells are judged at alpha / m; those that regressed drop out, and the others are judged again at alpha over
    their number, until no more drops out.

    :param judges: a function for each, that gives its :class:`Cell` at an alpha, and at a larger one no fewer
        regressions.
    :returns: a list of :class:`Cell`, in the order of ``judges``.
    """
    found = {}
    while len(found) < len(judges):
        open_ones = [number for number in range(len(judges)) if number not in found]
        judged = {number: judges[number](alpha / len(open_ones)) for number in open_ones}
        regressed = {number: cell for number, cell in judged.items() if cell.verdict is Verdict.REGRESSED}
        found.update(regressed or judged)
    return [found[number] for number in range(len(judges))]


def void_where_accuracy_changed(cells):
    """Return cells with "void" for every other metric of a benchmark whose accuracy is not what it was."""
    wrong = {cell.benchmark for cell in cells if cell.metric == ACCURACY and cell.verdict is Verdict.REGRESSED}
    note = "its accuracy is not the old one, so it trains something else."
    return [
        cell.but(verdict=Verdict.VOID, note=note) if cell.benchmark in wrong and cell.metric != ACCURACY else cell
        for cell in cells
    ]


def without_common_mode(cells):
    """Return one metric's cells with "the machine" in place of "regressed" where all slowed by the same factor.

    That is so where there are three benchmarks or more, each slowed for sure (the whole interval lies above 1, and
    not within the margin), and each by the median factor, give or take its margin.
    """
    known = [cell for cell in cells if cell.low is not None]
    said = {cell.verdict for cell in known}
    if len(known) < 3 or Verdict.REGRESSED not in said or said & {Verdict.CLEAN, Verdict.IMPROVED}:
        return cells
    common = median(log(cell.now / cell.was) for cell in known)
    if any(cell.low <= 1 or abs(log(cell.now / cell.was) - common) > log(cell.margin) for cell in known):
        return cells
    note = f"all {len(known)} benchmarks slowed by the same factor, {exp(common):.3f}: look at the machine first."
    return [cell.but(verdict=Verdict.MACHINE, note=note) if cell in known else cell for cell in cells]


def smallest_visible(low, high, margin):
    """Return the smallest new/old that would have been called a regression, had the noise been what it was.

    An interval from ``low`` to ``high`` reaches the square root of their ratio to either side of its middle, and the
    whole of it must lie beyond the margin.
    """
    return margin * (high / low) ** 0.5
