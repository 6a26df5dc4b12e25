"""What a comparison can say, and how many comparisons may say it by mistake.

A comparison is one metric of one benchmark. A whole run's false alarms are held to ``FAMILY_ERROR``: it is split over
the metrics by their weights (Bonferroni), and within a metric over its benchmarks by Holm's step-down procedure
(Holm, Scandinavian Journal of Statistics 6, 1979). A shard of a run has the part of it that its benchmarks are of the
run's (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import median

from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.margins import Margin
from pytest_duet.record.metrics import Metric

FAMILY_ERROR = 0.05
Judge = Callable[[float], Comparison]


@dataclass(frozen=True)
class Family:
    """The comparisons that share the probability of a false alarm.

    :param metrics: by name, those that have to stay the same included.
    :param margins: by benchmark and metric.
    :param benchmarks: how many share it; those without a row, or of other shards, included.
    """

    metrics: Mapping[str, Metric]
    margins: Mapping[str, Mapping[str, Margin]]
    benchmarks: int

    @property
    def judged(self) -> list[Metric]:
        """The metrics that have an interval and a share of the error."""
        return [metric for metric in self.metrics.values() if not metric.exact]

    @property
    def exact(self) -> list[Metric]:
        return [metric for metric in self.metrics.values() if metric.exact]

    def alpha(self, metric: Metric, count: int = 1) -> float:
        """Return the probability of a false alarm that ``count`` comparisons of a metric may have together."""
        share = metric.weight / sum(other.weight for other in self.judged)
        return FAMILY_ERROR * share * count / self.benchmarks


def classify(low: float, high: float, margin: float) -> Verdict:
    """Return the verdict on a ratio between ``low`` and ``high`` where up to ``margin`` does not matter."""
    if low > margin:
        return Verdict.REGRESSED
    if high < 1 / margin:
        return Verdict.IMPROVED
    if 1 / margin <= low and high <= margin:
        return Verdict.CLEAN
    return Verdict.INCONCLUSIVE


def holm(judges: Sequence[Judge], alpha: float) -> list[Comparison]:
    """Return the comparisons of one family, so that any false alarm among them has probability ``alpha`` at most.

    The m comparisons are judged at alpha / m; those that regressed drop out, and the others are judged again at alpha
    over their number, until no more drops out.

    :param judges: a function for each, that judges it at an alpha; its findings must be monotone in alpha.
    """
    found: dict[int, Comparison] = {}
    while len(found) < len(judges):
        pending = [number for number in range(len(judges)) if number not in found]
        judged = {number: judges[number](alpha / len(pending)) for number in pending}
        regressed = {number: one for number, one in judged.items() if one.verdict is Verdict.REGRESSED}
        found.update(regressed or judged)
    return [found[number] for number in range(len(judges))]


def exactly(benchmark: str, subject: str, metric: Metric, new: float | None, old: float | None) -> Comparison:
    """Return the comparison of a metric that has to stay the same."""
    verdict = Verdict.MISSING
    if new is not None and old is not None:
        verdict = Verdict.CLEAN if metric.agree(new, old) else Verdict.REGRESSED
    return Comparison(benchmark, subject, metric.name, verdict, old, new)


def void_where_exact_changed(comparisons: Sequence[Comparison], metrics: Mapping[str, Metric]) -> list[Comparison]:
    """Return the comparisons with "void" for the others of a benchmark whose work is not what it was."""
    exact = {name: metric for name, metric in metrics.items() if metric.exact}
    notes = {
        one.benchmark: f"its {exact[one.metric].title} is not the old one, so it does other work."
        for one in comparisons
        if one.metric in exact and one.verdict is Verdict.REGRESSED
    }
    return [
        one.but(verdict=Verdict.VOID, note=notes[one.benchmark])
        if one.benchmark in notes and one.metric not in exact
        else one
        for one in comparisons
    ]


def without_common_mode(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return one metric's comparisons with "the machine" for "regressed" where all slowed by the same factor.

    That is so where there are three benchmarks or more, each slowed for sure (the whole interval lies above 1, and
    not within the margin), and each by the median factor, give or take its margin.
    """
    shifts = {
        number: (log(one.new / one.old), one.low, one.margin)
        for number, one in enumerate(comparisons)
        if one.low is not None and one.margin is not None and one.old and one.new
    }
    said = {comparisons[number].verdict for number in shifts}
    if len(shifts) < 3 or Verdict.REGRESSED not in said or said & {Verdict.CLEAN, Verdict.IMPROVED}:
        return list(comparisons)
    common = median(shift for shift, _, _ in shifts.values())
    if any(low <= 1 or abs(shift - common) > log(margin) for shift, low, margin in shifts.values()):
        return list(comparisons)
    note = f"all {len(shifts)} benchmarks slowed by the same factor, {exp(common):.3f}: look at the machine first."
    return [
        one.but(verdict=Verdict.MACHINE, note=note) if number in shifts else one
        for number, one in enumerate(comparisons)
    ]


def smallest_visible(low: float, high: float, margin: float) -> float:
    """Return the smallest ratio that would have been called a regression, had the noise been what it was.

    An interval from ``low`` to ``high`` reaches the square root of their ratio to either side of its middle, and the
    whole of it must lie beyond the margin.
    """
    return margin * sqrt(high / low)
