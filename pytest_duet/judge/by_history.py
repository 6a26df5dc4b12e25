"""The gate against history: today's trials, and the accepted runs before them, become comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import exp, log
from statistics import fmean, geometric_mean

from pytest_duet.judge import settled
from pytest_duet.judge.by_pairs import NONE, Calibrations
from pytest_duet.judge.prediction import predict
from pytest_duet.judge.verdict import CLEAN_ERROR, NO_WORSE, Family, Interval, exactly, judged, without_common_mode
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.lookback import Lookback
from pytest_duet.record.margins import Margin
from pytest_duet.record.metrics import MEMORY, Metric
from pytest_duet.record.row import Row, memory_source


def judge_session(
    rows: Mapping[str, Row],
    family: Family,
    back: Lookback,
    min_runs: int,
    max_trials: int = 0,
    known: Calibrations = NONE,
) -> list[Comparison]:
    """Return the comparisons of a session's rows.

    :param min_runs: how many earlier runs a verdict takes.
    :param max_trials: that what was measured again was allowed; 0 where nothing was.
    :param known: how its trials scatter here.
    """
    found = [_exact(name, row, metric, back) for name, row in rows.items() for metric in family.exact_of(row)]
    for metric in family.judged:
        alone, again = [], []
        for name, row in rows.items():
            if metric.name not in family.margins[name]:
                continue  # a metric of other benchmarks' own
            margin, window = family.margins[name][metric.name], back.window(name, metric.name)
            by_history = partial(judge, name, row, metric, margin, window, min_runs)
            if settled.was_measured(row, metric):
                said = by_history(family.alpha(metric))
                again.append(partial(settled.judge, said, row, metric, margin, max_trials, known))
            else:
                alone.append(by_history)
        together = family.together(alone, metric)
        together = without_common_mode(together) if metric.unit == "s" else together
        found += [settled.alone(one, rows[one.benchmark], metric) for one in together]
        found += family.together(again, metric)
    return found


def judge(
    benchmark: str, row: Row, metric: Metric, margin: Margin, window: Sequence[Row], min_runs: int, alpha: float
) -> Comparison:
    """Return the comparison of one metric of one row.

    :param window: the earlier rows, newest first.
    :param alpha: of this comparison, on each side.
    """
    source = memory_source(row) if metric.name == MEMORY else ""
    today = row.values(metric.name, source)
    runs = [found for found in (evidence(earlier, metric, source) for earlier in window) if found]
    trials = len(row.trials)
    one = Comparison(benchmark, row.subject, metric.name, Verdict.MISSING, trials=trials, runs=len(runs), alpha=alpha)
    if not today:
        return one.but(note="not every trial has it.")
    if not runs:
        return one.but(new=geometric_mean(today), note=f"no verdict yet (0 of {min_runs} runs).")
    logs = [[log(value) for value in run] for run in runs]
    old = exp(fmean(map(fmean, logs)))
    one = one.but(old=old, new=geometric_mean(today), margin=margin.ratio(old))
    if len(runs) < min_runs:
        return one.but(note=f"no verdict yet ({len(runs)} of {min_runs} runs).")
    prediction = predict([log(value) for value in today], logs)
    strict, plain = (_worse(prediction.interval(error), metric) for error in (alpha, CLEAN_ERROR))
    one = judged(one, [strict], [plain], alpha)
    one = one.but(note=" ".join(filter(None, [NO_WORSE if one.no_worse else "", _versions(row, window[0])])))
    if row.disturbed_trials and metric.unit == "s" and one.verdict is Verdict.REGRESSED:
        note = f"others used the machine beside {row.disturbed_trials} of {trials} trials; run it when it is quiet."
        return one.but(verdict=Verdict.INCONCLUSIVE, note=note)
    return one


def _worse(shift: Interval, metric: Metric) -> Interval:
    low, high = (-shift[1], -shift[0]) if metric.better == "higher" else shift
    return exp(low), exp(high)


def evidence(row: Row, metric: Metric, source: str = "") -> list[float] | None:
    """Return an earlier row's values of a metric; None where one is missing, and for times where it was disturbed."""
    return None if metric.unit == "s" and row.disturbed_trials else row.values(metric.name, source)


def _exact(benchmark: str, row: Row, metric: Metric, back: Lookback) -> Comparison:
    window = back.window(benchmark, metric.name)
    old = window[0].typical(metric.name) if window else None
    one = exactly(benchmark, row.subject, metric, row.typical(metric.name), old, _drift(row, window, metric, old))
    return one.but(trials=len(row.trials), runs=len(window), note="" if window else "no earlier run.")


def _drift(row: Row, window: Sequence[Row], metric: Metric, old: float | None) -> float:
    """Return by how much more was to be expected today: each session may draw its own variant of the work.

    An older row does not tell what was expected; it had been held against that, or it would not have been kept.
    """
    expected = row.expected(metric.name)
    if expected is None or old is None:
        return 0.0
    before = window[0].expected(metric.name)
    return expected - (old if before is None else before)


def _versions(row: Row, newest: Row) -> str:
    """Return which versions changed since the newest earlier run; ``""`` if none did."""
    then, now = (dict(r.versions, python=r.python) for r in (newest, row))
    changed = [f"{name} {then.get(name)} -> {version}" for name, version in now.items() if then.get(name) != version]
    return f"since the last run: {', '.join(changed)}." if changed else ""
