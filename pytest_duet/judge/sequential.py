"""Is the new side slower? Student's t over trials, looked at after every one of them from the fourth on.

Each trial gives one log ratio, new over old. At a look, the interval of their mean is Student's, at one and the same
level for all looks: the significance level approach to sequential t tests (Jennison and Turnbull, Group Sequential
Methods, 2000, section 11.5; repeated intervals, chapter 9). The level is the highest at which no more than ``alpha`` of
``PATHS`` simulated sessions of normal noise cross their bound at any look. Below ``FEW`` too few of them cross to be
counted, and it is alpha over the number of looks (Bonferroni), which is always low enough. A larger alpha has a higher
level, and so every finding of a smaller one, as Holm's procedure needs.

How far trials scatter, few of them tell badly: the t of four reaches more than twice as far as a known scatter would.
Where a calibration has measured it (:class:`Noise`), its variance is pooled with today's. Where today's is larger than
that calibration can explain, the calibration is left out.

That takes trials for independent and nearly normal. What it is worth where they are not is simulated in
tests/instrument/test_sequential.py; where a calibration has seen that they are not, order statistics stand in
(:mod:`pytest_duet.judge.paired`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from statistics import fmean, variance
from typing import Any

from pytest_duet.judge.quantiles import fishers_f, students_t

FIRST_LOOK = 4
PATHS = 200_000
FEW = 1e-3
# Pairs of processes of the same code differ by 0.0 to 0.9 %: trials that happen to agree better are not taken at that.
LEAST_SCATTER = 0.005
LARGER_FOR_SURE = 0.01  # of the sessions whose scatter is what the calibration says, those that are taken for larger
MOST_TRIALS = 1000  # that anybody would wait for


@dataclass(frozen=True)
class Noise:
    """What a calibration knows of how the logarithms of trials' ratios scatter.

    :param deviation: their standard deviation; ``degrees`` are its degrees of freedom.
    :param inflation: by how much more the mean of very many of them scatters than independent ones' would.
    """

    deviation: float = 0.0
    degrees: int = 0
    inflation: float = 1.0

    def inflated(self, trials: int) -> float:
        """Return by how much more the mean of so many trials scatters: fewer of them have fewer neighbours.

        That of a first-order autoregressive process (Box, Jenkins and Reinsel, Time Series Analysis, 4th ed., sections
        2.1.6 and 3.2), its sum over lags written out.
        """
        alike = (self.inflation**2 - 1) / (self.inflation**2 + 1)
        return sqrt(self.inflation**2 - 2 * alike * (1 - alike**trials) / (trials * (1 - alike) ** 2))


UNKNOWN = Noise()


def looks(max_trials: int) -> range:
    """Return after how many trials there is a look."""
    return range(FIRST_LOOK, max_trials + 1)


def intervals(
    values: Sequence[float], alpha: float, max_trials: int, noise: Noise = UNKNOWN
) -> Iterator[tuple[float, float]]:
    """Yield the interval of each look that these values, in the order of their trials, are enough for.

    :param alpha: the probability that a bound misses the mean at any look, on each side.
    """
    for trials in looks(min(max_trials, len(values))):
        seen = values[:trials]
        mean, (deviation, degrees) = fmean(seen), scatter(seen, noise)
        reach = quantile(alpha, max_trials, trials, degrees) * deviation / sqrt(trials)
        yield mean - reach, mean + reach


def scatter(values: Sequence[float], noise: Noise) -> tuple[float, int]:
    """Return the standard deviation that these values are taken to have, and how many degrees the calibration adds."""
    count, inflated, degrees = len(values), noise.inflated(len(values)), noise.degrees
    # Neighbours that are alike scatter less about their own mean than about the true one.
    today = variance(values) * (count - 1) / (count - inflated**2)
    if degrees and today > noise.deviation**2 * _largest(count - 1, degrees):
        degrees = 0
    pooled = (degrees * noise.deviation**2 + (count - 1) * today) / (degrees + count - 1)
    return max(sqrt(pooled), LEAST_SCATTER) * inflated, degrees


@cache
def _largest(degrees: int, known: int) -> float:
    """Return the ratio of variances that chance alone seldom exceeds."""
    return fishers_f(LARGER_FOR_SURE, degrees, known)


@cache
def quantile(alpha: float, max_trials: int, trials: int, degrees: int = 0) -> float:
    """Return by how many standard errors the look at so many trials reaches.

    :param degrees: of freedom that a calibration adds.
    """
    return students_t(level(alpha, max_trials, degrees), degrees + trials - 1)


@cache
def level(alpha: float, max_trials: int, degrees: int = 0) -> float:
    """Return the error of each look at which all of them together miss with ``alpha`` at the most."""
    count = len(looks(max_trials))
    shared = alpha / max(count, 1)
    if alpha < FEW or count < 2:
        return shared
    import numpy as np

    return max(shared, float(np.quantile(_smallest_levels(max_trials, degrees), alpha, method="lower")))


@cache
def _smallest_levels(max_trials: int, degrees: int) -> Any:
    """Return the lowest one-sided p-value that each simulated session sees at any look."""
    import numpy as np
    from scipy.special import stdtr

    rng = np.random.default_rng(5)
    lowest, total, squares = np.ones(PATHS), np.zeros(PATHS), np.zeros(PATHS)
    known = rng.chisquare(degrees, PATHS) if degrees else 0.0
    for trials in range(1, max_trials + 1):
        value = rng.standard_normal(PATHS)
        total += value
        squares += value**2
        if trials >= FIRST_LOOK:
            free = degrees + trials - 1
            deviation = np.sqrt((known + squares - total**2 / trials) / free)
            np.minimum(lowest, stdtr(free, -total / sqrt(trials) / deviation), out=lowest)
    return lowest


def trials_needed(
    values: Sequence[float], edge: float, alpha: float, clean_alpha: float, max_trials: int, noise: Noise = UNKNOWN
) -> int:
    """Return how many trials would bring an answer if they went on like these, ``MOST_TRIALS`` at the most.

    :param edge: the logarithm of the margin.
    :param alpha: of "regressed"; ``clean_alpha`` is that of "clean".
    """
    mean, (deviation, degrees) = abs(fmean(values)), scatter(values, noise)
    alone = deviation / noise.inflated(len(values))
    error = level(alpha if mean > edge else clean_alpha, max_trials, degrees)
    for trials in range(len(values) + 1, MOST_TRIALS + 1):
        reach = students_t(error, degrees + trials - 1) * alone * noise.inflated(trials)
        if reach / sqrt(trials) < abs(mean - edge):
            return trials
    return MOST_TRIALS
