"""The gate against history: today's trials, and the accepted runs before them, become cells."""

from __future__ import annotations

from functools import partial
from math import exp, log
from statistics import fmean, geometric_mean

from benchmarks.proof import parity
from pytest_duet.judge.prediction import predict
from pytest_duet.judge.verdict import FAMILY_ERROR, Cell, Verdict, classify, holm, without_common_mode
from pytest_duet.record.metrics import ACCURACY, METRICS, memory_source, values


def judge_session(rows, margins, back, min_runs, share=1.0):
    """Return the cells of a session's rows, a list of :class:`Cell`.

    :param rows: ``extra_info`` by benchmark.
    :param margins: ``margins(benchmark)`` gives its :class:`pytest_duet.record.metrics.Margin` by metric.
    :param back: :class:`pytest_duet.record.lookback.Lookback`.
    :param min_runs: how many earlier runs a verdict takes.
    :param share: of the run's probability of a false alarm, that these rows may use up: a shard has its part of it.
    """
    cells = [_accuracy(name, row, back.window(name, ACCURACY)) for name, row in rows.items()]
    for metric, kind in METRICS.items():
        judges = [
            partial(judge, name, row, metric, margins(name)[metric], back.window(name, metric), min_runs)
            for name, row in rows.items()
        ]
        judged = holm(judges, FAMILY_ERROR * kind.error_share * share)
        cells += without_common_mode(judged) if kind.unit == "s" else judged
    return cells


def judge(benchmark, row, metric, margin, window, min_runs, alpha):
    """Return the :class:`Cell` of one metric of one row.

    :param margin: :class:`pytest_duet.record.metrics.Margin`.
    :param window: the earlier rows, newest first.
    :param alpha: of this cell, on each side.
    """
    cell = Cell(benchmark, row["framework"], metric, Verdict.MISSING, trials=len(row["trials"]), alpha=alpha)
    source = memory_source(row) if metric == "peak_memory_bytes" else None
    today = values(row, metric, source)
    runs = [found for found in (evidence(earlier, metric, source) for earlier in window) if found]
    cell = cell.but(runs=len(runs))
    if not today:
        return cell.but(note="not every trial has it.")
    if not runs:
        return cell.but(now=geometric_mean(today), note=f"no verdict yet (0 of {min_runs} runs).")
    logs = [[log(value) for value in run] for run in runs]
    was = exp(fmean(map(fmean, logs)))
    cell = cell.but(was=was, now=geometric_mean(today), margin=margin.ratio(was))
    if len(runs) < min_runs:
        return cell.but(note=f"no verdict yet ({len(runs)} of {min_runs} runs).")
    low, high = map(exp, predict([log(value) for value in today], logs).interval(alpha))
    cell = cell.but(low=low, high=high, verdict=classify(low, high, cell.margin), note=_versions(row, window[0]))
    disturbed = row.get("disturbed_trials")
    if disturbed and METRICS[metric].unit == "s" and cell.verdict is Verdict.REGRESSED:
        note = f"others used the machine beside {disturbed} of {cell.trials} trials; run it again when it is quiet."
        return cell.but(verdict=Verdict.INCONCLUSIVE, note=note)
    return cell


def evidence(row, metric, source=None):
    """Return an earlier row's values of a metric; None where one is missing, and for times where it was disturbed.

    :param source: of the memory.
    """
    disturbed = METRICS[metric].unit == "s" and row.get("disturbed_trials")
    return None if disturbed else values(row, metric, source)


def _accuracy(benchmark, row, window):
    cell = Cell(benchmark, row["framework"], ACCURACY, Verdict.MISSING, now=row["accuracy"], trials=len(row["trials"]))
    if not window:
        return cell.but(runs=0, note="no earlier run.")
    was = window[0]["accuracy"]
    agrees = parity.accuracies_agree(row["accuracy"], was)
    return cell.but(runs=len(window), was=was, verdict=Verdict.CLEAN if agrees else Verdict.REGRESSED)


def _versions(row, newest):
    """Return which versions changed since the newest earlier run; ``""`` if none did."""
    then, now = (dict(r.get("versions") or {}, python=r.get("python")) for r in (newest, row))
    changed = [f"{name} {then.get(name)} -> {version}" for name, version in now.items() if then.get(name) != version]
    return f"since the last run: {', '.join(changed)}." if changed else ""
