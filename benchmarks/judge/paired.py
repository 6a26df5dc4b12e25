"""Is the new side slower? Paired trials, an interval that assumes nothing about their noise, and when to stop.

Each trial gives one log ratio, new over old. The interval for their median is a pair of order statistics, the sign
test turned round: a value that has ``drop`` of n ratios below it is below the median with probability P(Bin(n, 1/2) <=
drop). It holds for every distribution, heavy-tailed or bimodal, and leaves ``drop`` disturbed trials on either side
out of account (Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2).

More trials are run only while the answer is open, which looks at the data several times. The error is spent over the
looks: by trial n, at most alpha * n / max_trials of it (a linear spending function; Lan and DeMets, Biometrika 70,
1983). What a look adds is not bounded but counted: the paths of n coin tosses that cross there and not before.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Look:
    """When there are ``trials`` trials, look at the interval that leaves out ``drop`` of them on either side."""

    trials: int
    drop: int


@cache
def plan_looks(alpha, max_trials):
    """Return the looks, a tuple of :class:`Look`, whose total probability of a false answer on one side is <= alpha.

    It is empty where ``max_trials`` are too few for any answer at this error rate.
    """
    looks, spent = [], 0.0
    paths = [1.0]  # paths[i]: probability that i of the trials so far lie below the median, and no look was crossed
    for trials in range(1, max_trials + 1):
        paths = [(here + before) / 2 for here, before in zip([*paths, 0.0], [0.0, *paths])]
        drop = looks[-1].drop + 1 if looks else 0  # a look that drops no more than the last one sees nothing new
        crossing = sum(paths[: drop + 1])
        if spent + crossing <= alpha * trials / max_trials and 2 * drop < trials - 1:
            looks.append(Look(trials, drop))
            spent += crossing
            paths[: drop + 1] = [0.0] * (drop + 1)
    return tuple(looks)


def interval(values, drop):
    """Return the lowest and the highest value but for ``drop`` on either side."""
    ordered = sorted(values)
    return ordered[drop], ordered[-1 - drop]


def intervals(values, alpha, max_trials):
    """Yield the interval of each look that these values, in the order of their trials, are enough for."""
    for look in plan_looks(alpha, max_trials):
        if look.trials <= len(values):
            yield interval(values[: look.trials], look.drop)
