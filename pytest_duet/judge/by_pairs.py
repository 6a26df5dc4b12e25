"""The gate against another environment: paired trials become comparisons, and more of them are asked for if need be."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import chain
from math import exp, log
from statistics import geometric_mean

from pytest_duet.judge.paired import intervals, plan_looks
from pytest_duet.judge.verdict import Family, classify, exactly, holm
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.margins import Margin
from pytest_duet.record.metrics import MEMORY, Metric
from pytest_duet.record.row import Row, memory_source


def can_answer(family: Family, max_trials: int) -> bool:
    """Tell whether so many paired trials can ever be enough for an answer on every metric."""
    return all(plan_looks(family.alpha(metric), max_trials) for metric in family.judged)


def ratios(row: Row, metric: Metric) -> tuple[list[float], float, float] | None:
    """Return a metric's ratios, above 1 where worse, trial by trial, and the old and the new value; None if unknown."""
    if row.against is None:
        return None
    other = row.against.row
    source = memory_source(row, other, shared=True) if metric.name == MEMORY else ""
    if metric.name == MEMORY and not source:
        return None
    new, old = row.values(metric.name, source), other.values(metric.name, source)
    if not new or not old:
        return None
    found = list(row.against.ratios) if metric.turns else [metric.worse(n, o) for n, o in zip(new, old)]
    return found, geometric_mean(old), geometric_mean(new)


def is_open(benchmark: str, row: Row, family: Family, max_trials: int) -> bool:
    """Tell whether more trials may still bring an answer to one of a row's comparisons."""
    for metric in family.judged:
        alpha, margin = family.alpha(metric), family.margins[benchmark][metric.name]
        looks = plan_looks(alpha, max_trials)
        more = looks and len(row.trials) < looks[-1].trials
        if more and judge(benchmark, row, metric, margin, max_trials, alpha).verdict is Verdict.INCONCLUSIVE:
            return True
    return False


def judge(benchmark: str, row: Row, metric: Metric, margin: Margin, max_trials: int, alpha: float) -> Comparison:
    """Return the comparison of one metric of one row: what the first conclusive look says, else the last.

    "Regressed" at any look goes before what an earlier look said: the error was spent on all of them, and so the
    findings are monotone in alpha.

    :param alpha: of this comparison, on each side.
    """
    one = Comparison(benchmark, row.subject, metric.name, Verdict.MISSING, trials=len(row.trials), alpha=alpha)
    found = ratios(row, metric)
    if found is None:
        return one.but(note="not every trial of both sides has it.")
    shifts, old, new = [log(ratio) for ratio in found[0]], found[1], found[2]
    allowed = margin.ratio(old)
    one = one.but(old=old, new=new, margin=allowed, verdict=Verdict.INCONCLUSIVE)
    looks = plan_looks(alpha, max_trials)
    if not looks or looks[0].trials > len(shifts):
        needed = f"it takes {looks[0].trials}" if looks else "--max-trials is too low"
        return one.but(note=f"{len(shifts)} trials are too few for an answer at this error rate; {needed}.")
    seen = [
        one.but(low=exp(low), high=exp(high), verdict=classify(exp(low), exp(high), allowed))
        for low, high in intervals(shifts, alpha, max_trials)
    ]
    regressed = (look for look in seen if look.verdict is Verdict.REGRESSED)
    conclusive = (look for look in seen if look.verdict is not Verdict.INCONCLUSIVE)
    return next(chain(regressed, conclusive), seen[-1])


def judge_session(rows: Mapping[str, Row], family: Family, max_trials: int) -> list[Comparison]:
    """Return the comparisons of a session's rows."""
    found = [_exact(name, row, metric) for metric in family.exact for name, row in rows.items()]
    for metric in family.judged:
        judges = [
            partial(judge, name, row, metric, family.margins[name][metric.name], max_trials)
            for name, row in rows.items()
        ]
        found += holm(judges, family.alpha(metric, len(rows)))
    return found


def _exact(benchmark: str, row: Row, metric: Metric) -> Comparison:
    old = row.against.row.typical(metric.name) if row.against else None
    return exactly(benchmark, row.subject, metric, row.typical(metric.name), old).but(trials=len(row.trials))
