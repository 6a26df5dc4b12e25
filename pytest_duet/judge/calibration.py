"""What the gate can see on this machine: unchanged code held against itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import exp, log
from statistics import fmean, median, stdev

from pytest_duet.judge import by_history, by_pairs
from pytest_duet.judge.paired import plan_looks
from pytest_duet.judge.prediction import predict
from pytest_duet.judge.verdict import Family
from pytest_duet.record.calibrations import Calibrated
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.lookback import Lookback
from pytest_duet.record.metrics import MEMORY, Metric
from pytest_duet.record.row import Row, memory_source

POWER = 0.95  # the share of sessions in which a slowdown is to be caught
LEAST_SESSIONS = 3
Session = Mapping[str, Row]
Noise = tuple[float, float, float]  # variation, what it resolves, the smallest slowdown that is caught


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


def by_pairs_sessions(sessions: Sequence[Session], family: Family, max_trials: int) -> list[Calibrated]:
    """Return the same for sessions of ``--against self``, with the ``max_trials`` of those sessions."""
    judged = [one for rows in sessions for one in by_pairs.judge_session(rows, family, max_trials)]
    return _collect(sessions, judged, family, partial(_paired, family=family, max_trials=max_trials))


def _collect(
    sessions: Sequence[Session],
    judged: Sequence[Comparison],
    family: Family,
    measure: Callable[[str, list[Row], Metric], Noise | None],
) -> list[Calibrated]:
    found = []
    for name in sessions[0]:
        rows = [session[name] for session in sessions if name in session]
        for metric in family.judged:
            noise = measure(name, rows, metric)
            if noise:
                alarm = (name, metric.name, Verdict.REGRESSED)
                alarms = sum((one.benchmark, one.metric, one.verdict) == alarm for one in judged)
                found.append(Calibrated(name, metric.name, noise[0], alarms, *noise[1:]))
    return found


def _predicted(name: str, rows: list[Row], metric: Metric, family: Family, window: int) -> Noise | None:
    source = memory_source(*rows) if metric.name == MEMORY else ""
    known = [row.values(metric.name, source) for row in rows]
    runs = [[log(value) for value in found] for found in known if found]
    if len(runs) < LEAST_SESSIONS:
        return None
    deviation = median(predict(run, [other for other in runs if other is not run]).deviation for run in runs)
    # That was against so many runs; against a full window, less of it comes from the window.
    deviation *= ((1 + 1 / window) / (1 + 1 / (len(runs) - 1))) ** 0.5
    from scipy.stats import t

    reach = deviation * float(t.ppf(1 - family.alpha(metric), window - 1) + t.ppf(POWER, window - 1))
    margin = log(family.margins[name][metric.name].ratio(exp(fmean(map(fmean, runs)))))
    return stdev(map(fmean, runs)), exp(reach) - 1, exp(margin + reach) - 1


def _paired(name: str, rows: list[Row], metric: Metric, family: Family, max_trials: int) -> Noise | None:
    """A slowdown is caught for sure by the last look, where all but a few of the ratios must lie beyond the margin."""
    looks = plan_looks(family.alpha(metric), max_trials)
    known = [found for found in (by_pairs.ratios(row, metric) for row in rows) if found]
    shifts = [log(ratio) for ratios, _, _ in known for ratio in ratios]
    if not looks or len(shifts) < LEAST_SESSIONS:
        return None
    from scipy.stats import beta, norm

    last = looks[-1]
    share_within = float(beta.ppf(1 - POWER, last.drop + 1, last.trials - last.drop))  # of ratios, at that power
    reach = stdev(shifts) * float(norm.ppf(1 - share_within))
    margin = log(family.margins[name][metric.name].ratio(fmean(old for _, old, _ in known)))
    return stdev(shifts), exp(reach) - 1, exp(margin + reach) - 1


def cautions(
    comparisons: Iterable[Comparison], calibrated: Iterable[Calibrated], metrics: Mapping[str, Metric]
) -> list[str]:
    """Return, a sentence each, which margins are below what this machine resolves."""
    found = []
    known = {(one.benchmark, one.metric): one for one in calibrated}
    for one in comparisons:
        its = known.get((one.benchmark, one.metric))
        if its and one.margin and its.resolves > one.margin - 1:
            caught = one.margin * (1 + its.resolves) - 1  # beyond its own margin, which need not be the calibration's
            found.append(
                f"{one.subject}, {metrics[one.metric].title}: the margin, {one.margin - 1:.1%}, is below what "
                f"this machine resolves, {its.resolves:.1%}: only slowdowns beyond {caught:.1%} are "
                "caught reliably. Run more trials, or quieten the machine."
            )
    return found
