"""What the gate can see on this machine: unchanged code held against itself.

Kept below the runs, in ``gate/calibration/``, a file for each fingerprint and way of judging.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from math import exp, log
from statistics import fmean, median, stdev

from pytest_duet.atomic import atomic_write
from pytest_duet.judge import by_history, by_pairs
from pytest_duet.judge.paired import plan_looks
from pytest_duet.judge.prediction import predict
from pytest_duet.judge.verdict import Verdict
from pytest_duet.record.lookback import Lookback
from pytest_duet.record.metrics import METRICS, memory_source, values

SCHEMA = 1
POWER = 0.95  # the share of sessions in which a slowdown is to be caught
LEAST_SESSIONS = 3


@dataclass(frozen=True)
class CellCalibration:
    """What unchanged code did in one metric of one benchmark.

    The 95 % are as sure as the variation is, of which few sessions tell little. Simulated, what 60 sessions promise
    against history is caught in 94 % or 95 %; what 10 promise, in 95 % where runs are alike but for their trials, and
    in 88 % where they differ.

    :param variation: standard deviation from session to session (of new/old from trial to trial, with ``--against``),
        as a share.
    :param false_alarms: sessions in which the gate called it regressed.
    :param resolves: the smallest slowdown, as a share, that would be told from none in 95 % of sessions.
    :param smallest_slowdown: the smallest that would be caught beyond the margin in 95 % of sessions.
    """

    benchmark: str
    metric: str
    variation: float
    false_alarms: int
    resolves: float
    smallest_slowdown: float


def by_history_sessions(sessions, margins, window, min_runs=2):
    """Return a :class:`CellCalibration` each for sessions of unchanged code, every one held against all the others.

    :param sessions: rows by benchmark, a dictionary for each session.
    :param margins: ``margins(benchmark)`` gives its :class:`pytest_duet.record.metrics.Margin` by metric.
    :param window: how many runs the gate will have to judge by.
    """
    judged = []
    for session in sessions:
        back = Lookback(session)
        for other in sessions:
            for name in session:
                if other is not session and name in other:
                    back.windows[name].append(other[name])
        judged += by_history.judge_session(session, margins, back, min_runs)
    return _collect(sessions, judged, partial(_predicted, margins=margins, window=window))


def by_pairs_sessions(sessions, margins, max_trials):
    """Return the same for sessions of ``--against self``.

    :param max_trials: as in those sessions.
    """
    judged = [cell for rows in sessions for cell in by_pairs.judge_session(rows, margins, max_trials, len(rows))]
    return _collect(sessions, judged, partial(_paired, margins=margins, max_trials=max_trials))


def _collect(sessions, judged, measure):
    found = []
    for name in sessions[0]:
        rows = [session[name] for session in sessions if name in session]
        for metric in METRICS:
            noise = measure(name, rows, metric, len(sessions[0]))
            if noise:
                alarms = sum(
                    (cell.benchmark, cell.metric, cell.verdict) == (name, metric, Verdict.REGRESSED) for cell in judged
                )
                found.append(CellCalibration(name, metric, noise[0], alarms, *noise[1:]))
    return found


def _predicted(name, rows, metric, benchmarks, margins, window):
    source = memory_source(*rows) if metric == "peak_memory_bytes" else None
    runs = [[log(value) for value in found] for found in (values(row, metric, source) for row in rows) if found]
    if len(runs) < LEAST_SESSIONS:
        return None
    deviation = median(predict(run, [other for other in runs if other is not run]).deviation for run in runs)
    # That was against so many runs; against a full window, less of it comes from the window.
    deviation *= ((1 + 1 / window) / (1 + 1 / (len(runs) - 1))) ** 0.5
    from scipy.stats import t

    alpha = by_pairs.cell_alpha(metric, benchmarks)
    reach = deviation * float(t.ppf(1 - alpha, window - 1) + t.ppf(POWER, window - 1))
    margin = log(margins(name)[metric].ratio(exp(fmean(map(fmean, runs)))))
    return stdev(map(fmean, runs)), exp(reach) - 1, exp(margin + reach) - 1


def _paired(name, rows, metric, benchmarks, margins, max_trials):
    """A slowdown is caught for sure by the last look, where all but a few of the ratios must lie beyond the margin."""
    looks = plan_looks(by_pairs.cell_alpha(metric, benchmarks), max_trials)
    known = [found for found in (by_pairs.ratios(row, metric) for row in rows) if found]
    shifts = [log(ratio) for ratios, _, _ in known for ratio in ratios]
    if not looks or len(shifts) < LEAST_SESSIONS:
        return None
    from scipy.stats import beta, norm

    last = looks[-1]
    share_within = float(beta.ppf(1 - POWER, last.drop + 1, last.trials - last.drop))  # of ratios, at that power
    reach = stdev(shifts) * float(norm.ppf(1 - share_within))
    margin = log(margins(name)[metric].ratio(fmean(was for _, was, _ in known)))
    return stdev(shifts), exp(reach) - 1, exp(margin + reach) - 1


def path(storage, fingerprint, mode):
    """Return where a machine's calibration is kept.

    :param mode: ``"history"`` or ``"against"``.
    """
    digest = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:16]
    return storage / "gate" / "calibration" / f"{digest}-{mode}.json"


def save(storage, fingerprint, mode, cells, **about):
    """Keep a calibration and return its path; the one before it is replaced."""
    where = path(storage, fingerprint, mode)
    where.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "schema": SCHEMA,
        "mode": mode,
        "fingerprint": fingerprint,
        **about,
        "cells": [asdict(cell) for cell in cells],
    }
    atomic_write(where, json.dumps(kept, indent=2).encode() + b"\n")
    return where


def load(storage, fingerprint, mode):
    """Return this machine's calibration, :class:`CellCalibration` by benchmark and metric; empty if there is none."""
    try:
        kept = json.loads(path(storage, fingerprint, mode).read_bytes())
        cells = [CellCalibration(**cell) for cell in kept["cells"]]
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError):
        return {}  # damaged: as good as none, and the next calibration replaces it
    return {(cell.benchmark, cell.metric): cell for cell in cells}


def cautions(cells, calibration):
    """Return, a sentence each, which margins are below what this machine resolves.

    :param cells: the gate's, :class:`pytest_duet.judge.verdict.Cell`.
    :param calibration: what :func:`load` gave.
    """
    found = []
    for cell in cells:
        known = calibration.get((cell.benchmark, cell.metric))
        if known and cell.margin and known.resolves > cell.margin - 1:
            found.append(
                f"{cell.framework}, {METRICS[cell.metric].title}: the margin, {cell.margin - 1:.1%}, is below what "
                f"this machine resolves, {known.resolves:.1%}: only slowdowns beyond {_caught(cell, known):.1%} are "
                "caught reliably. Run more trials, or quieten the machine."
            )
    return found


def _caught(cell, known):
    """Return the smallest slowdown that is caught beyond the cell's own margin, which need not be the calibration's."""
    return cell.margin * (1 + known.resolves) - 1
