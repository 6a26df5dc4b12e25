"""Does a benchmark leak? Memory that grows from round to round, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

from pytest_duet.judge.quantiles import students_t
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.metrics import MEMORY
from pytest_duet.record.row import Leak, Row
from pytest_duet.trials.trial import Trial

MIN_STEPS = 3  # from a steady round to the next, in every trial
GROWING_SHARE = 0.9  # of them, in which memory has to grow
CONFIDENCE = 0.99
LEAKED_BYTES = 2 * 2**20  # in a trial at the least: an allocator takes its blocks one by one, too


def leak_of(trials: Sequence[Trial]) -> Leak | None:
    """Return by how much memory grows from one round to the next; None where it does not, in every trial.

    The interval is Student's t for the mean step of all trials. A warm-up that fades out has steps that scatter as
    widely as they are large, and is none.
    """
    steps = [_steps([each.memory_peak_bytes for each in trial.steady]) for trial in trials]
    together = [step for of_trial in steps for step in of_trial]
    if not together or not all(map(_grows, steps)):
        return None
    mean, count = fmean(together), len(together)
    half = students_t((1 - CONFIDENCE) / 2, count - 1) * stdev(together) / sqrt(count)
    least = LEAKED_BYTES / min(map(len, steps))
    return Leak(mean, mean - half, mean + half) if mean - half > least else None


def _steps(peaks: Sequence[float | None]) -> list[float]:
    known = [peak for peak in peaks if peak is not None]
    return [later - earlier for earlier, later in pairwise(known)] if len(known) == len(peaks) else []


def _grows(steps: Sequence[float]) -> bool:
    return len(steps) >= MIN_STEPS and sum(step > 0 for step in steps) >= GROWING_SHARE * len(steps)


def with_leaks(
    comparisons: Iterable[Comparison], rows: Mapping[str, Row], before: Mapping[str, Row | None]
) -> list[Comparison]:
    """Return the comparisons with "regressed" for the memory of what leaks, and did not before.

    :param before: the rows that each is compared with.
    """
    new = {name: row.leak for name, row in rows.items() if row.leak and not leaked(before.get(name))}
    return [
        one.but(verdict=Verdict.REGRESSED, note=f"it leaks: {leak}, and it did not before.")
        if one.metric == MEMORY and (leak := new.get(one.benchmark))
        else one
        for one in comparisons
    ]


def leaked(row: Row | None) -> bool:
    """Tell whether a row leaks, or nobody can tell what it was before: an older file does not say so itself."""
    return row is None or bool(row.leak or leak_of(row.trials))
