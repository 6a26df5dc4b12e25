"""Is the new side slower? Paired trials, an interval that assumes nothing about their noise, and when to stop.

Each trial gives one log ratio, new over old. The interval for their median is a pair of order statistics, the sign
test turned round: a value that has ``drop`` of n ratios below it is below the median with probability P(Bin(n, 1/2) <=
drop). It holds for every distribution, heavy-tailed or bimodal, and leaves ``drop`` disturbed trials on either side
out of account (Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2).

More trials are run only while the answer is open, which looks at the data several times, so the error is spent over the
looks: one that leaves out ``drop`` comes as soon as the sign test is passed at ``level * n / max_trials``. One level
serves all looks, the highest at which their total error is at most alpha, as in the families of boundaries of Wang and
Tsiatis (Biometrics 43, 1987). That error is not bounded but counted: the paths of n coin tosses that cross at a look.
A larger alpha has a higher level, and so no look later: it finds whatever a smaller one finds, as Holm's procedure
needs. (Spending greedily, as much as alpha * n / max_trials allows at each trial, would not give that.)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import comb


@dataclass(frozen=True)
class Look:
    """When there are ``trials`` trials, look at the interval that leaves out ``drop`` of them on either side."""

    trials: int
    drop: int


@cache
def plan_looks(alpha: float, max_trials: int) -> tuple[Look, ...]:
    """Return the looks whose total probability of a false answer on one side is <= alpha.

    It is empty where ``max_trials`` are too few for any answer at this error rate.
    """
    # needs[n - 1][drop]: the lowest level at which n trials may leave out drop
    needs = [
        [below / 2**n * max_trials / n for below in accumulate(comb(n, i) for i in range(n))]
        for n in range(1, max_trials + 1)
    ]
    levels = sorted({level for needed in needs for level in needed})
    affordable = bisect_right(levels, alpha, key=lambda level: _spent(_looks(needs, level)))
    return _looks(needs, levels[affordable - 1]) if affordable else ()


def _looks(needs: list[list[float]], level: float) -> tuple[Look, ...]:
    looks: list[Look] = []
    for trials, needed in enumerate(needs, start=1):
        drop = len(looks)  # a look that drops no more than the last one sees nothing new
        if needed[drop] <= level:
            looks.append(Look(trials, drop))
    return tuple(looks)


def _spent(looks: tuple[Look, ...]) -> float:
    """Return the probability that at any of the looks no more trials than it drops lie below the median."""
    spent, trials = 0.0, 0
    paths = [1.0]  # paths[i]: probability that i of the trials so far lie below it, and no look was crossed
    for look in looks:
        for _ in range(trials, look.trials):
            paths = [(here + before) / 2 for here, before in zip([*paths, 0.0], [0.0, *paths])]
        trials = look.trials
        spent += sum(paths[: look.drop + 1])
        paths[: look.drop + 1] = [0.0] * (look.drop + 1)
    return spent


def interval(values: Sequence[float], drop: int) -> tuple[float, float]:
    """Return the lowest and the highest value but for ``drop`` on either side."""
    ordered = sorted(values)
    return ordered[drop], ordered[-1 - drop]


def intervals(values: Sequence[float], alpha: float, max_trials: int) -> Iterator[tuple[float, float]]:
    """Yield the interval of each look that these values, in the order of their trials, are enough for."""
    for look in plan_looks(alpha, max_trials):
        if look.trials <= len(values):
            yield interval(values[: look.trials], look.drop)
