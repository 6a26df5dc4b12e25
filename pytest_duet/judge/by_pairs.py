"""The gate against another environment: a session's paired trials become cells."""

from __future__ import annotations

from functools import partial
from itertools import chain
from math import exp, log
from statistics import geometric_mean

from benchmarks.proof import parity
from pytest_duet.judge.paired import intervals, plan_looks
from pytest_duet.judge.verdict import FAMILY_ERROR, Cell, Verdict, classify, holm
from pytest_duet.record.metrics import ACCURACY, METRICS, memory_source, values


def cell_alpha(metric, benchmarks):
    """Return the probability of a false alarm that one of a metric's ``benchmarks`` cells may have, before Holm."""
    return FAMILY_ERROR * METRICS[metric].error_share / benchmarks


def can_answer(benchmarks, max_trials):
    """Tell whether so many paired trials can ever be enough for an answer on every metric of ``benchmarks``."""
    return all(plan_looks(cell_alpha(metric, benchmarks), max_trials) for metric in METRICS)


def ratios(row, metric):
    """Return new/old of a metric, trial by trial, and the old and the new values; None where they are unknown.

    :param row: a benchmark's ``extra_info``, with the other side under ``against``.
    """
    source = memory_source(row, row["against"], shared=True)
    new, old = values(row, metric, source), values(row["against"], metric, source)
    if not new or not old:
        return None
    found = row["against"]["epoch_ratios"] if metric == "epoch_seconds" else [n / o for n, o in zip(new, old)]
    return found, geometric_mean(old), geometric_mean(new)


def is_open(row, margins, benchmarks, max_trials):
    """Tell whether more trials may still bring an answer to one of a row's cells.

    :param margins: :class:`pytest_duet.record.metrics.Margin` by metric.
    :param benchmarks: how many the session compares.
    """
    for metric in METRICS:
        alpha = cell_alpha(metric, benchmarks)
        looks = plan_looks(alpha, max_trials)
        if looks and len(row["trials"]) < looks[-1].trials:
            cell = judge(row, metric, margins[metric], max_trials, row["framework"], alpha)
            if cell.verdict is Verdict.INCONCLUSIVE:
                return True
    return False


def judge(row, metric, margin, max_trials, benchmark, alpha):
    """Return the :class:`Cell` of one metric of one row: what the first look that is conclusive says, else the last.

    "Regressed" at any look goes before what an earlier look said: the error was spent on all of them, and so a larger
    alpha finds no fewer regressions.

    :param margin: :class:`pytest_duet.record.metrics.Margin`.
    :param alpha: of this cell, on each side.
    """
    cell = Cell(benchmark, row["framework"], metric, Verdict.MISSING, trials=len(row["trials"]), alpha=alpha)
    found = ratios(row, metric)
    if found is None:
        return cell.but(note="not every trial of both sides has it.")
    shifts, was, now = [log(ratio) for ratio in found[0]], found[1], found[2]
    cell = cell.but(was=was, now=now, margin=margin.ratio(was), verdict=Verdict.INCONCLUSIVE)
    looks = plan_looks(alpha, max_trials)
    if not looks or looks[0].trials > len(shifts):
        needed = f"it takes {looks[0].trials}" if looks else "--max-trials is too low"
        return cell.but(note=f"{len(shifts)} trials are too few for an answer at this error rate; {needed}.")
    seen = [
        cell.but(low=exp(low), high=exp(high), verdict=classify(exp(low), exp(high), cell.margin))
        for low, high in intervals(shifts, alpha, max_trials)
    ]
    regressed = (cell for cell in seen if cell.verdict is Verdict.REGRESSED)
    conclusive = (cell for cell in seen if cell.verdict is not Verdict.INCONCLUSIVE)
    return next(chain(regressed, conclusive), seen[-1])


def judge_session(rows, margins, max_trials, benchmarks):
    """Return the cells of a session's rows, a list of :class:`Cell`.

    :param rows: ``extra_info`` by benchmark.
    :param margins: ``margins(benchmark)`` gives its :class:`Margin` by metric.
    :param benchmarks: how many were to be compared, those without a row included.
    """
    cells = [_accuracy(name, row) for name, row in rows.items()]
    for metric, kind in METRICS.items():
        alpha = FAMILY_ERROR * kind.error_share * len(rows) / benchmarks
        judges = [partial(judge, row, metric, margins(name)[metric], max_trials, name) for name, row in rows.items()]
        cells += holm(judges, alpha)
    return cells


def _accuracy(benchmark, row):
    new, old = row["accuracy"], row["against"]["accuracy"]
    agrees = parity.accuracies_agree(new, old)
    return Cell(
        benchmark,
        row["framework"],
        ACCURACY,
        Verdict.CLEAN if agrees else Verdict.REGRESSED,
        was=old,
        now=new,
        trials=len(row["trials"]),
    )
