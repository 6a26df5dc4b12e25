"""Where a series of runs moved to another level, for a reader to look at; the gate does not judge by it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log
from statistics import geometric_mean, median

LEAST_RUNS = 5  # on either side of a change; fewer may be a slow hour of the machine's
PENALTY = 4  # in units of the noise's variance times log(n); a simulation in the tests says what comes of it


def level_changes(values: Sequence[float]) -> list[tuple[int, float]]:
    """Return ``[(index, new/old), ...]``: where a new level begins, and its ratio to the one before.

    A level is the geometric mean of its values.

    :param values: positive numbers, in the order of the runs.
    """
    starts = change_points(values)
    bounds = [0, *starts, len(values)]
    levels = [geometric_mean(values[start:stop]) for start, stop in pairwise(bounds)] if starts else []
    return [(at, after / before) for at, (before, after) in zip(starts, pairwise(levels))]


def change_points(values: Sequence[float]) -> list[int]:
    """Return the indices at which a new level begins, found by PELT (Killick and others, JASA 107, 2012).

    The noise is taken from the differences of neighbours, which a change of level hardly moves. Levels are means of
    logarithms, so that a change is a ratio.

    :param values: positive numbers, in the order of the runs.
    """
    if len(values) < 2 * LEAST_RUNS:
        return []
    import numpy as np
    from ruptures import KernelCPD  # SciPy is 0.5 s that only a report has to wait for

    logs = np.log(np.asarray(values, dtype=float))
    steps = np.abs(np.diff(logs))
    variance = (median(steps.tolist()) / 0.6745) ** 2 / 2  # of normal noise, whose differences have twice its variance
    if variance == 0:
        variance = float(np.var(np.diff(logs))) / 2
    if variance == 0:
        return []
    found = KernelCPD(kernel="linear", min_size=LEAST_RUNS).fit(logs[:, None])
    return [int(at) for at in found.predict(pen=PENALTY * variance * log(len(values)))[:-1]]
