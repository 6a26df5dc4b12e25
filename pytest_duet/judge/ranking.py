"""Which of several subjects is fastest, and by how much? From trials that ran in rounds.

Trials of one round are neighbours, so what is compared are their ratios: in each round one log ratio of every two
subjects, whose mean over the rounds has Student's interval. All of these intervals together hold with 95 %, since each
has its share of the error (Bonferroni; Miller, Simultaneous Statistical Inference, 1981, section 1.4).

Few rounds tell a scatter badly, and two subjects that happen to agree in three of them are not that equal: none is
taken to scatter less than all pairs do in the mean, while a noisy pair keeps its own. What the others tell of a scatter
counts half as many degrees of freedom as it would if all scattered alike: (rounds - 1) · subjects / 2 in all. That this
keeps the error where they do not is simulated in tests/instrument/test_ranking.py. So of three subjects, two are told
apart in three rounds from 2.8 times the scatter of their ratio on, in six from 1.3 times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import exp, log, sqrt
from statistics import fmean, geometric_mean, median, variance

from pytest_duet.judge.quantiles import students_t

ERROR = 0.05  # that any order is wrong which is claimed
MOST_ROUNDS = 30  # that anybody would wait for
LEAST_SCATTER = 1e-4  # of a log ratio; below it clocks, not subjects, are compared


@dataclass(frozen=True)
class Ratio:
    """How many times the time of the first a second subject takes.

    :param value: the quotient of the medians over their trials, which is what tables show.
    :param low: the interval's bounds; None where there was one round, as they are infinite. It holds ``value``, too.
    :param more_rounds: how many would tell them apart if they went on like this; 0 where they are, None where more than
        ``MOST_ROUNDS`` would be needed.
    """

    value: float
    low: float | None = None
    high: float | None = None
    more_rounds: int | None = None

    @property
    def apart(self) -> int:
        """1 where the second is slower for sure, -1 where it is faster for sure, else 0."""
        if self.low is None or self.high is None:
            return 0
        return (self.low > 1) - (self.high < 1)


@dataclass(frozen=True)
class Ranking:
    """
    :param order: the subjects by the geometric mean of their times, the fastest first: the order of the rounds' mean
        ratios.
    :param ranks: of each, 1 more than how many are faster for sure: who cannot be told apart shares a rank.
    :param ratios: of every two, by names, the one that is earlier in the order first.
    """

    order: tuple[str, ...]
    ranks: dict[str, int]
    ratios: dict[tuple[str, str], Ratio]


def rank(times: Mapping[str, Sequence[float]], error: float = ERROR) -> Ranking:
    """Return the ranking of subjects.

    :param times: of each, the seconds of its trial in every round, in the order of the rounds, which all have had.
    :param error: the probability that any order that is claimed is wrong.
    """
    order = tuple(sorted(times, key=lambda name: geometric_mean(times[name])))
    pairs = list(combinations(order, 2))
    logs = {pair: [log(b / a) for a, b in zip(*(times[name] for name in pair))] for pair in pairs}
    values = {pair: median(times[pair[1]]) / median(times[pair[0]]) for pair in pairs}
    rounds = min(map(len, times.values()))
    share, degrees = error / max(len(pairs), 1), (rounds - 1) * len(order) / 2
    usual = fmean(map(variance, logs.values())) if rounds > 1 and pairs else 0.0
    ratios = {pair: _ratio(values[pair], its, usual, share, degrees) for pair, its in logs.items()}
    faster = dict.fromkeys(order, 0)
    for (one, other), ratio in ratios.items():
        faster[other] += ratio.apart > 0
        faster[one] += ratio.apart < 0
    return Ranking(order, {name: 1 + count for name, count in faster.items()}, ratios)


def _ratio(value: float, logs: Sequence[float], usual: float, error: float, degrees: float) -> Ratio:
    """Return the ratio of two subjects.

    :param usual: the variance of all pairs, in the mean; ``degrees`` are those of freedom.
    """
    mean, rounds = fmean(logs), len(logs)
    if rounds < 2:
        return Ratio(value)
    scatter = max(sqrt(max(variance(logs), usual)), LEAST_SCATTER)
    each = degrees / (rounds - 1)

    def reach(rounds: int) -> float:
        return _quantile(error, each * (rounds - 1)) * scatter / sqrt(rounds)

    more = next((n - rounds for n in range(rounds, MOST_ROUNDS + 1) if reach(n) < abs(mean)), None)
    low, high = exp(mean - reach(rounds)), exp(mean + reach(rounds))
    # Where a slow minute parts the medians from the rounds' mean, the interval reaches out for them: it gets wider.
    return Ratio(value, min(low, value), max(high, value), more)


@cache
def _quantile(error: float, degrees: float) -> float:
    """Return by how many standard errors an interval reaches to either side."""
    return students_t(error / 2, degrees)
