"""What the gate can see on this machine: unchanged code held against itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import exp, log, sqrt
from statistics import fmean, median, stdev

from pytest_duet.judge import by_history, by_pairs, quantiles, sequential
from pytest_duet.judge.paired import plan_looks
from pytest_duet.judge.prediction import predict
from pytest_duet.judge.quantiles import students_t
from pytest_duet.judge.verdict import Family
from pytest_duet.record.calibrations import Calibrated
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.lookback import Lookback
from pytest_duet.record.metrics import MEMORY, Metric
from pytest_duet.record.row import Row, memory_source

POWER = 0.95  # the share of sessions in which a slowdown is to be caught
LEAST_SESSIONS = 3
FEWEST_TESTED = 15  # values, below which two modes may pass for one
NOT_NORMAL = 0.01
MOST_DEGREES = 30  # that a calibration is believed to have: machines change
MOST_ALIKE = 0.9
UPPER = 1.645  # standard errors
Session = Mapping[str, Row]
Shifts = Sequence[Sequence[float]]  # of one benchmark: of each session, its trials' log ratios in one metric


def by_history_sessions(
    sessions: Sequence[Session], family: Family, window: int, min_runs: int = 2
) -> list[Calibrated]:
    """Return what sessions of unchanged code did, every one held against all the others.

    :param window: how many runs the gate will have to judge by.
    """
    judged = []
    for session in sessions:
        back = Lookback(session)
        others = [other for other in sessions if other is not session]
        back.windows = {name: [other[name] for other in others if name in other] for name in session}
        judged += by_history.judge_session(session, family, back, min_runs)
    return _collect(sessions, judged, family, partial(_predicted, family=family, window=window))


def by_pairs_sessions(
    sessions: Sequence[Session], family: Family, max_trials: int, later_trials: int
) -> list[Calibrated]:
    """Return the same for sessions of ``--against self``.

    :param max_trials: that those sessions were allowed.
    :param later_trials: that the sessions are allowed which are to go by this calibration.
    """
    judged = [one for rows in sessions for one in by_pairs.judge_session(rows, family, max_trials)]
    all_rows = [[session[name] for session in sessions if name in session] for name in sessions[0]]
    beside = {
        metric.name: [[found.shifts for found in _evidence(rows, metric)] for rows in all_rows]
        for metric in family.judged
    }
    return _collect(sessions, judged, family, partial(_paired, family=family, max_trials=later_trials, beside=beside))


def _evidence(rows: Iterable[Row], metric: Metric) -> list[by_pairs.Evidence]:
    return [found for found in (by_pairs.evidence(row, metric) for row in rows) if found]


def _collect(
    sessions: Sequence[Session],
    judged: Sequence[Comparison],
    family: Family,
    measure: Callable[[str, list[Row], Metric], Calibrated | None],
) -> list[Calibrated]:
    found = []
    for name in sessions[0]:
        rows = [session[name] for session in sessions if name in session]
        for metric in family.judged:
            calibrated = measure(name, rows, metric)
            if calibrated:
                alarm = (name, metric.name, Verdict.REGRESSED)
                alarms = sum((one.benchmark, one.metric, one.verdict) == alarm for one in judged)
                found.append(replace(calibrated, false_alarms=alarms))
    return found


def _predicted(name: str, rows: list[Row], metric: Metric, family: Family, window: int) -> Calibrated | None:
    source = memory_source(*rows) if metric.name == MEMORY else ""
    known = [row.values(metric.name, source) for row in rows]
    runs = [[log(value) for value in found] for found in known if found]
    if len(runs) < LEAST_SESSIONS:
        return None
    deviation = median(predict(run, [other for other in runs if other is not run]).deviation for run in runs)
    # That was against so many runs; against a full window, less of it comes from the window.
    deviation *= ((1 + 1 / window) / (1 + 1 / (len(runs) - 1))) ** 0.5
    reach = deviation * (students_t(family.alpha(metric), window - 1) + students_t(1 - POWER, window - 1))
    margin = log(family.margins[name][metric.name].ratio(exp(fmean(map(fmean, runs)))))
    return Calibrated(name, metric.name, stdev(map(fmean, runs)), 0, exp(reach) - 1, exp(margin + reach) - 1)


def _paired(
    name: str,
    rows: list[Row],
    metric: Metric,
    family: Family,
    max_trials: int,
    beside: Mapping[str, Sequence[Shifts]] | None = None,
) -> Calibrated | None:
    """A slowdown is caught for sure by the last look, if not before.

    :param beside: by metric, those of every benchmark of these sessions, this one included; None for this one alone.
    """
    known = _evidence(rows, metric)
    sessions = [found.shifts for found in known]
    shifts = [shift for session in sessions for shift in session]
    alpha = family.alpha(metric) / (2 if known and known[0].errors else 1)  # of two figures each has a half
    if len(shifts) < LEAST_SESSIONS:
        return None
    variation, normal, inflated = (
        stdev(shifts),
        is_normal(shifts),
        inflation(sessions, beside[metric.name] if beside else ()),
    )
    degrees = min(len(shifts) - 1, MOST_DEGREES)
    errors = [error for found in known for error in found.errors]
    explained = fmean(error**2 for error in errors) if errors and all(found.errors for found in known) else 0.0
    between = sqrt(max(0.0, variation**2 - explained))
    if normal:
        if not sequential.looks(max_trials):
            return None
        reach = sequential.quantile(alpha, max_trials, max_trials, degrees) + quantiles.normal(1 - POWER)
        at_last = sequential.Noise(inflation=inflated).inflated(max_trials)
        reach *= max(variation, sequential.LEAST_SCATTER) * at_last / sqrt(max_trials)
    else:
        looks = plan_looks(alpha, max_trials)
        if not looks:
            return None
        last = looks[-1]  # where all but a few of the ratios must lie beyond the margin
        share_within = quantiles.beta(POWER, last.drop + 1, last.trials - last.drop)  # of ratios, at that power
        reach = variation * quantiles.normal(share_within)
    margin = log(family.margins[name][metric.name].ratio(fmean(found.old for found in known)))
    caught = exp(margin + reach) - 1
    return Calibrated(
        name, metric.name, variation, 0, exp(reach) - 1, caught, between, degrees, inflated, normal, rows[0].subject
    )


def learned(name: str, window: Iterable[Row], metric: Metric, family: Family, max_trials: int) -> Calibrated | None:
    """Return what the paired trials say that accepted runs took when history left a question open.

    Their code had not changed, or by less than the margin: a real change within it makes them scatter more, and so
    accuses nobody. None where there are too few to say whether they scatter normally.
    """
    rows = [again.row for row in window for again in row.again if again.row]
    if sum(len(row.trials) for row in rows) < FEWEST_TESTED:
        return None
    return _paired(name, rows, metric, family, max_trials)


def is_normal(shifts: Sequence[float]) -> bool:
    """Tell whether these values may be of a normal distribution (Shapiro and Wilk, Biometrika 52, 1965, at 1 %)."""
    if len(set(shifts)) < LEAST_SESSIONS:
        return True  # no noise at all
    if len(shifts) < FEWEST_TESTED:
        return False  # nobody can tell
    from scipy.stats import shapiro

    return bool(shapiro(shifts).pvalue > NOT_NORMAL)


def inflation(sessions: Shifts, beside: Sequence[Shifts] = ()) -> float:
    """Return by how much more the mean of trials scatters than independent ones' would, where neighbours are alike.

    That of a first-order autoregressive process, sqrt((1 + r) / (1 - r)) (Box, Jenkins and Reinsel, Time Series
    Analysis, 4th ed., section 3.2), with r at its upper bound (95 %), so that few trials promise little; never below 1.
    What makes neighbours alike is the machine, which all benchmarks share: the bound may be that of all of them
    together, where this one's own r does not lie above it.

    :param beside: those of every benchmark, in the same metric, this one included.
    """
    own, bound = _alike([sessions])
    _, of_all = _alike(beside) if beside else (own, bound)
    alike = min(max(min(bound, max(own, of_all)), 0.0), MOST_ALIKE)
    return sqrt((1 + alike) / (1 - alike))


def _alike(benchmarks: Sequence[Shifts]) -> tuple[float, float]:
    """Return the correlation of neighbouring trials of these benchmarks, and its upper bound; 0 where there is none."""
    products = []
    for sessions in benchmarks:
        shifts = [shift for session in sessions for shift in session]
        middle = fmean(shifts) if shifts else 0.0
        squares = fmean((shift - middle) ** 2 for shift in shifts) if shifts else 0.0
        pairs = [pair for session in sessions for pair in pairwise(session)] if squares else []
        products += [(one - middle) * (other - middle) / squares for one, other in pairs]
    if not products:
        return 0.0, 0.0
    return fmean(products), fmean(products) + UPPER / sqrt(len(products))


def unknown(comparisons: Iterable[Comparison], known: Mapping[tuple[str, str], Calibrated]) -> list[str]:
    """Return, in a sentence, that open answers might not be so, were it known how trials scatter here."""
    strange = [one for one in comparisons if (one.benchmark, one.metric) not in known]
    if all(one.verdict is not Verdict.INCONCLUSIVE for one in strange):
        return []
    return [
        "Of some of these nothing is known of how their trials scatter here, and nothing was assumed: "
        "`python -m pytest_duet calibrate --against` learns it, and then fewer trials decide."
    ]


def cautions(
    comparisons: Iterable[Comparison], known: Mapping[tuple[str, str], Calibrated], metrics: Mapping[str, Metric]
) -> list[str]:
    """Return, a sentence each, which margins are below what this machine resolves."""
    found = []
    for one in comparisons:
        its = known.get((one.benchmark, one.metric))
        if its and one.margin and not one.beside and its.resolves > one.margin - 1:
            caught = one.margin * (1 + its.resolves) - 1  # beyond its own margin, which need not be the calibration's
            found.append(
                f"{one.subject}, {metrics[one.metric].title}: the margin, {one.margin - 1:.1%}, is below what "
                f"this machine resolves, {its.resolves:.1%}: only slowdowns beyond {caught:.1%} are "
                "caught reliably. Run more trials, or quieten the machine."
            )
    return found
