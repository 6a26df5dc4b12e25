"""What a comparison can say, and how many comparisons may say it by mistake.

A comparison is one metric of one benchmark. A whole run's false alarms are held to ``FAMILY_ERROR``: it is split over
the metrics by their weights (Bonferroni), and within a metric over its benchmarks by Holm's step-down procedure
(Holm, Scandinavian Journal of Statistics 6, 1979). A shard of a run has the part of it that its benchmarks are of the
run's (Bonferroni). Metrics that single benchmarks tell themselves are a family of their own, held to as much again, for
what they are is known only once they are told. Only "regressed" spends it, for only that fails a run; whoever lies at
the margin is called clean with ``CLEAN_ERROR`` at the most, each comparison for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import median

from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.margins import Margin
from pytest_duet.record.metrics import Metric
from pytest_duet.record.row import Row

FAMILY_ERROR = 0.05
CLEAN_ERROR = 0.05
NO_WORSE = "It is no worse than its margin allows; only how much better it is stays open."
Interval = tuple[float, float]  # of a ratio that is above 1 where it is worse
Judge = Callable[[float], Comparison]


@dataclass(frozen=True)
class Family:
    """The comparisons that share the probability of a false alarm.

    :param metrics: by name, those that have to stay the same included.
    :param margins: by benchmark and metric.
    :param benchmarks: how many share it; those without a row, or of other shards, included.
    :param error: what is held to ``total``: ``"any"``, the probability of any false alarm in a run, or
        ``"share"``, the expected share of false alarms among the regressions that are found.
    """

    metrics: Mapping[str, Metric]
    margins: Mapping[str, Mapping[str, Margin]]
    benchmarks: int
    error: str = "any"
    total: float = FAMILY_ERROR
    clean_error: float = CLEAN_ERROR

    def together(self, judges: Sequence[Judge], metric: Metric) -> list[Comparison]:
        """Return the comparisons of all rows of a metric, whose error is held together."""
        return ERRORS[self.error](judges, self.alpha(metric, len(judges)))

    @property
    def judged(self) -> list[Metric]:
        """The metrics that have an interval and a share of the error."""
        had = {name for its in self.margins.values() for name in its}
        return [metric for metric in self.metrics.values() if not metric.exact and metric.name in had]

    @property
    def exact(self) -> list[Metric]:
        return [metric for metric in self.metrics.values() if metric.exact]

    def alpha(self, metric: Metric, count: int = 1) -> float:
        """Return the probability of a false alarm that ``count`` comparisons of a metric may have together."""
        like = [other for other in self.metrics.values() if not other.exact and other.own == metric.own]
        having = [its for its in self.margins.values() if metric.name in its]
        weights = max(sum(other.weight for other in like if other.name in its) for its in having)
        return self.total * metric.weight / weights * count / self.benchmarks

    def exact_of(self, row: Row) -> list[Metric]:
        """Return those of a row's metrics that have to stay the same; its rounds tell some of them."""
        told = any(trial.rounds for trial in row.trials)
        return [metric for metric in self.exact if metric.name in row.metrics or (metric.every_round and told)]


def judged(
    one: Comparison,
    strict: Sequence[Interval],
    plain: Sequence[Interval],
    alpha: float,
    clean_error: float = CLEAN_ERROR,
) -> Comparison:
    """Return a comparison with its verdict and the interval that this stands on; its margin is known.

    :param strict: of each look, the interval whose bounds miss with ``alpha``, the comparison's share of the family's
        error. A finding at any look counts, and only these can accuse.
        There may be none yet where fewer values are enough to be clean than to accuse.
    :param plain: likewise, those that miss with ``clean_error``: two one-sided tests against both margins (TOST;
        Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987).
    """
    margin, last = one.margin or 1.0, [*plain, *strict][-1]
    findings = (
        (Verdict.REGRESSED, [each for each in strict if each[0] > margin]),
        (Verdict.IMPROVED, [each for each in strict if each[1] < 1 / margin]),
        (Verdict.CLEAN, [each for each in plain if 1 / margin <= each[0] and each[1] <= margin]),
        (Verdict.INCONCLUSIVE, [last]),
    )
    verdict, found = next((verdict, looks[0]) for verdict, looks in findings if looks)
    error = alpha if strict and verdict is not Verdict.CLEAN else clean_error
    # The interval reaches so far to either side of its middle.
    visible = margin * sqrt(last[1] / last[0]) if strict else None
    one = one.but(verdict=verdict, low=found[0], high=found[1], alpha=error, visible=visible)
    return one.but(no_worse=verdict is Verdict.INCONCLUSIVE and any(high <= margin for _, high in (*strict, *plain)))


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


def step_up(judges: Sequence[Judge], alpha: float) -> list[Comparison]:
    """Return the comparisons of one family, of whose regressions a share ``alpha`` at most is expected to be none.

    The largest number of findings k of which each is one at alpha * k / m, over 1 + 1/2 + ... + 1/m, since they are not
    independent: the machine's moods are in all of them (Benjamini and Hochberg, Journal of the Royal Statistical
    Society B 57, 1995; for any dependence, Benjamini and Yekutieli, Annals of Statistics 29, 2001).

    :param judges: as :func:`holm` takes them; each finding is valid at whatever look the session stopped.
    """
    count = findings = len(judges)
    alpha /= sum(1 / number for number in range(1, count + 1)) or 1.0
    while True:
        judged = [judge(alpha * max(findings, 1) / max(count, 1)) for judge in judges]
        regressed = sum(one.verdict is Verdict.REGRESSED for one in judged)
        if regressed >= findings or not regressed:
            return judged
        findings = regressed


ERRORS = {"any": holm, "share": step_up}


def exactly(
    benchmark: str, subject: str, metric: Metric, new: float | None, old: float | None, drift: float = 0.0
) -> Comparison:
    """Return the comparison of a metric that has to stay the same.

    :param drift: by how much the new value was expected to be above the old one.
    """
    verdict = Verdict.MISSING
    if new is not None and old is not None:
        verdict = Verdict.CLEAN if metric.agree(new - drift, old) else Verdict.REGRESSED
    return Comparison(benchmark, subject, metric.name, verdict, old, new)


def void_where_exact_changed(comparisons: Sequence[Comparison], metrics: Mapping[str, Metric]) -> list[Comparison]:
    """Return the comparisons with "void" for the others of a benchmark whose work is not what it was."""
    exact = {name: metric for name, metric in metrics.items() if metric.exact}
    notes = {
        one.benchmark: f"its {exact[one.metric].title} is not the old one, so it does other work."
        for one in comparisons
        if one.metric in exact and one.verdict is Verdict.REGRESSED and not exact[one.metric].every_round
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
