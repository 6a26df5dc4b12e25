"""The gate against another environment: paired trials become comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, exp, isfinite, log, sqrt
from statistics import fmean, geometric_mean, stdev

from pytest_duet.judge import paired, sequential
from pytest_duet.judge.first_difference import compare_rounds
from pytest_duet.judge.quantiles import students_t
from pytest_duet.judge.sequential import Noise
from pytest_duet.judge.verdict import CLEAN_ERROR, NO_WORSE, Family, Interval, exactly, judged
from pytest_duet.record.calibrations import Calibrated
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.margins import Margin
from pytest_duet.record.metrics import MEMORY, Metric
from pytest_duet.record.row import Against, Row, memory_source
from pytest_duet.trials.blocks import Estimate, order_effect, total, typical

Calibrations = Mapping[tuple[str, str], Calibrated]  # by benchmark and metric
NONE: Calibrations = {}
ORDER_EFFECT = 0.02  # where going first costs more than that, something of the side that waits still works
STANDARD_ERRORS = 1.96  # within which 95 % of means lie
SURE = 0.975  # that two figures of one trial differ


@dataclass(frozen=True)
class Evidence:
    """One figure of each trial of a row, new over old.

    :param shifts: their logarithms, above 0 where worse.
    :param errors: their standard errors within their trials; none where a trial has but one value or one block.
    :param old: the old side's value; ``new`` is the new one's.
    """

    shifts: list[float]
    old: float
    new: float
    errors: tuple[float, ...] = ()

    def of(self, estimates: Sequence[Estimate]) -> Evidence:
        """Return the same of another figure of the trials."""
        errors = tuple(each.error for each in estimates)
        return Evidence([each.shift for each in estimates], self.old, self.new, errors if isfinite(sum(errors)) else ())


def evidence(row: Row, metric: Metric) -> Evidence | None:
    """Return what the trials of both sides say of a metric, of time what most of each trial says; None if unknown."""
    if row.against is None:
        return None
    other = row.against.row
    source = memory_source(row, other, shared=True) if metric.name == MEMORY else ""
    if metric.name == MEMORY and not source:
        return None
    new, old = row.values(metric.name, source), other.values(metric.name, source)
    if not new or not old:
        return None
    ratios = row.against.ratios if metric.turns else [metric.worse(n, o) for n, o in zip(new, old)]
    found = Evidence([log(ratio) for ratio in ratios], geometric_mean(old), geometric_mean(new))
    return found.of(list(map(typical, row.against.blocks))) if metric.turns and row.against.blocks else found


def judge(
    benchmark: str,
    row: Row,
    metric: Metric,
    margin: Margin,
    max_trials: int,
    known: Calibrations,
    alpha: float,
    clean_error: float = CLEAN_ERROR,
) -> Comparison:
    """Return the comparison of one metric of one row.

    Of what takes turns, a trial has two figures. All of its time counts every slow step, and every burst of others'
    work; what most of it says counts neither. Each may accuse, with half of the error, but the second not where the
    first contradicts it; clean is what both agree about.

    :param known: what unchanged code did on this machine.
    :param alpha: of this comparison, on each side; ``clean_error`` is how probable a clean one is at the margin.
    """
    one = Comparison(benchmark, row.subject, metric.name, Verdict.MISSING, trials=len(row.trials), alpha=alpha)
    found, its = evidence(row, metric), known.get((benchmark, metric.name))
    if found is None or row.against is None:
        return one.but(note="not every trial of both sides has it.")
    one = one.but(old=found.old, new=found.new, margin=margin.ratio(found.old), verdict=Verdict.INCONCLUSIVE)
    if not metric.turns and row.against.blocks:
        return _judged_beside(one, found, metric, margin, max_trials, its, alpha, clean_error)
    if not row.against.blocks:
        one = _decided(one, found, alpha, max_trials, its, clean_error)
        return _told(one, [_what_it_takes(one, row.against, max_trials)])
    totals = found.of(list(map(total, row.against.blocks)))
    one, by_totals = (_decided(one, each, alpha / 2, max_trials, its, clean_error) for each in (found, totals))
    contradiction = _contradiction(one, found, totals)
    no_worse = one.surely_no_worse and by_totals.surely_no_worse
    if by_totals.verdict is Verdict.REGRESSED and one.verdict is not Verdict.REGRESSED:
        one = by_totals
    elif contradiction and one.verdict not in (Verdict.INCONCLUSIVE, by_totals.verdict):
        one = one.but(verdict=Verdict.INCONCLUSIVE)
    else:
        contradiction = ""
    one = one.but(no_worse=no_worse and one.verdict is Verdict.INCONCLUSIVE)
    effect = fmean(map(order_effect, row.against.blocks))
    order = f"going first costs {effect:+.1%}: something of the side that waits still works."
    odd = [order] if abs(effect) > ORDER_EFFECT else []
    return _told(one, [contradiction, *odd, *row.against.remarks, _what_it_takes(one, row.against, max_trials)])


def _judged_beside(
    one: Comparison,
    found: Evidence,
    metric: Metric,
    margin: Margin,
    max_trials: int,
    its: Calibrated | None,
    alpha: float,
    clean_error: float,
) -> Comparison:
    """Return the comparison of what no further trials are run for: it has to do with those that time needs.

    Where nobody gave a margin, it is one at which so few decide, as a calibration has shown.
    """
    earned = ""
    noise = noise_of(found, its)
    if noise and margin == metric.against and (least := earned_margin(noise, max_trials)) > (one.margin or 1.0):
        one = one.but(margin=least)
        earned = f"its margin, {least - 1:.1%}, is what {sequential.FIRST_LOOK} trials decide: they scatter by "
        earned += f"{noise.deviation:.1%} here."
    one = _decided(one, found, alpha, max_trials, its, clean_error).but(needs=None)
    intervals = list(_intervals(found.shifts, clean_error, max_trials, noise))
    if one.verdict is Verdict.INCONCLUSIVE and intervals:
        reach = max(max(1 / low, high) - 1 for low, high in intervals[-1:])
        earned += f" `--gate-margin {metric.name}={ceil(1000 * reach) / 10:g}%` would let these trials decide."
    return _told(one, [earned.strip()])


def earned_margin(noise: Noise, max_trials: int) -> float:
    """Return the least margin, as a ratio, at which the first look calls 95 % of unchanged code clean."""
    first = sequential.FIRST_LOOK
    scatter = max(noise.deviation, sequential.LEAST_SCATTER) * noise.inflated(first)
    reach = sequential.quantile(CLEAN_ERROR, max_trials, first, noise.degrees) + STANDARD_ERRORS
    return exp(reach * scatter / sqrt(first))


def _decided(
    one: Comparison, found: Evidence, alpha: float, max_trials: int, its: Calibrated | None, clean_error: float
) -> Comparison:
    """Return the verdict that these figures come to, or what it takes to have one."""
    noise = noise_of(found, its)
    strict, plain = (list(_intervals(found.shifts, error, max_trials, noise)) for error in (alpha, clean_error))
    said = judged(one, strict, plain, alpha, clean_error) if plain else one
    if not strict and said.verdict is not Verdict.CLEAN:
        had = len(found.shifts)
        clean, accusing = (_looks(error, max_trials, noise) for error in (clean_error, alpha))
        needed = f"clean takes {next(iter(clean), 'more')}" if not plain else "they scatter too far for clean"
        needed = f"{needed}, regressed takes {accusing[0]}" if accusing else "--max-trials is too low"
        needs = min((look for look in (*clean, *accusing) if look > had), default=None)
        few = "1 trial is" if had == 1 else f"{had} trials are"
        return said.but(needs=needs, note=f"{few} too few for an answer: {needed}.")
    one = said
    if one.verdict is not Verdict.INCONCLUSIVE or noise is None:
        return one
    edge = log(one.margin or 1.0)
    return one.but(needs=sequential.trials_needed(found.shifts, edge, alpha, clean_error, max_trials, noise))


def noise_of(found: Evidence, its: Calibrated | None) -> Noise | None:
    """Return how trials scatter: as far as today's turns make them, and as calibrated trials did beyond theirs.

    Where a trial has but one value or one block, it is as far as calibrated trials did. None where nothing may be
    assumed: no calibration has seen them, or one has seen that they do not scatter normally.
    """
    if its is None or not its.normal or not its.degrees:
        return None
    deviation = sqrt(fmean(error**2 for error in found.errors) + its.between**2) if found.errors else its.variation
    return Noise(deviation, its.degrees, its.inflation)


def _intervals(shifts: Sequence[float], error: float, max_trials: int, noise: Noise | None) -> Iterator[Interval]:
    if noise is None:
        found = paired.intervals(shifts, error, max_trials)
    else:
        found = sequential.intervals(shifts, error, max_trials, noise)
    return ((exp(low), exp(high)) for low, high in found)


def _looks(alpha: float, max_trials: int, noise: Noise | None) -> Sequence[int]:
    """Return after how many trials there is a look at this error."""
    return sequential.looks(max_trials) if noise else [look.trials for look in paired.plan_looks(alpha, max_trials)]


def _contradiction(one: Comparison, found: Evidence, totals: Evidence) -> str:
    """Return, in a sentence, that most of the trials and all of their time say different things; ``""`` if not.

    The difference has to be one: for sure not 0, and more than a quarter of the margin.
    """
    differences = [total - shift for total, shift in zip(totals.shifts, found.shifts)]
    if len(differences) < sequential.FIRST_LOOK:
        return ""
    error = students_t(1 - SURE, len(differences) - 1) * stdev(differences) / sqrt(len(differences))
    if abs(fmean(differences)) <= max(error, log(one.margin or 1.0) / 4):
        return ""
    most, all_of_it = (100 * (exp(fmean(each.shifts)) - 1) for each in (found, totals))
    return (
        f"most turns changed by {most:+.1f} % and all of the time by {all_of_it:+.1f} %: now and then, something takes "
        "long on one side."
    )


def _what_it_takes(one: Comparison, against: Against, max_trials: int) -> str:
    """Return, in a sentence, how much longer an open answer would take, and whether so many trials are allowed.

    ``""`` where it is not open, or nobody knows.
    """
    if one.verdict is not Verdict.INCONCLUSIVE or not one.needs or not one.trials:
        return ""
    more = one.needs - one.trials
    if more < 1:
        return ""
    time = f", about {fmean(against.wall_seconds) * more:.0f} s," if against.wall_seconds else ""
    trials = "one more trial like these" if more == 1 else f"{more} more trials like these"
    allowed = f", where --max-trials allows {max_trials} in all" if one.needs > max_trials else ""
    return f"{trials[0].upper()}{trials[1:]}{time} would decide it{allowed}."


def _told(one: Comparison, sentences: Iterable[str]) -> Comparison:
    return one.but(note=" ".join(filter(None, [one.note, NO_WORSE if one.no_worse else "", *sentences])))


def judge_session(
    rows: Mapping[str, Row], family: Family, max_trials: int, known: Calibrations = NONE
) -> list[Comparison]:
    """Return the comparisons of a session's rows."""
    found = [_exact(name, row, metric) for name, row in rows.items() for metric in family.exact_of(row)]
    for metric in family.judged:
        judges = [
            partial(
                judge,
                name,
                row,
                metric,
                family.margins[name][metric.name],
                max_trials,
                known,
                clean_error=family.clean_error,
            )
            for name, row in rows.items()
            if metric.name in family.margins[name]
        ]
        found += family.together(judges, metric)
    return found


def _exact(benchmark: str, row: Row, metric: Metric) -> Comparison:
    if metric.every_round:
        return compare_rounds(benchmark, row, metric)
    old = row.against.row.typical(metric.name) if row.against else None
    return exactly(benchmark, row.subject, metric, row.typical(metric.name), old).but(trials=len(row.trials))
