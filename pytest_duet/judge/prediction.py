"""Is today outside of what history predicts? A prediction interval for the mean of today's trials.

It takes runs for independent and their means for nearly normal. What that is worth was simulated, for 12 comparisons at
a family-wise 5 %, a trial's noise of 2 %, 5 trials and 20 runs (tests/instrument/test_prediction.py):

=====================================  ==============  =========================
share of runs with a false alarm       unchanged code  slower by the margin, 5 %
=====================================  ==============  =========================
normal noise                           0.0 %           1.6 %
the same, and runs differ by 2 %, too  0.0 %           4.8 %
heavy tails (Student, 2 degrees)       4.1 %           14 %
one trial in ten is 15 % slower        0.1 %           11 %
history got slower by 0.2 % a run      0.0 %           17 %
one run in ten is 15 % slower          18 %            44 %
=====================================  ==============  =========================

Unchanged code, it is the last line that breaks the 5 %: such a run really is slower, and 20 runs have seen too few like
it. At the margin itself heavy tails, slow modes and a drift break it, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, harmonic_mean, stdev

from pytest_duet.judge.quantiles import students_t


@dataclass(frozen=True)
class Prediction:
    """Today over history, as logarithms.

    :param shift: mean of today's trials minus the mean of the earlier runs.
    :param deviation: standard deviation of that difference, were nothing changed.
    :param degrees: its degrees of freedom.
    """

    shift: float
    deviation: float
    degrees: int

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return the bounds of the shift; on each side it is missed with probability ``alpha``."""
        reach = students_t(alpha, self.degrees) * self.deviation
        return self.shift - reach, self.shift + reach


def expect(runs: Sequence[Sequence[float]], trials: int, alpha: float) -> tuple[float, float]:
    """Return the bounds between which another run's mean is expected, as a logarithm; each is missed with ``alpha``.

    :param runs: as :func:`predict` takes them.
    :param trials: how many the other run has.
    """
    low, high = predict([0.0] * trials, runs).interval(alpha)
    return -high, -low


def predict(today: Sequence[float], runs: Sequence[Sequence[float]]) -> Prediction:
    """Return the prediction of today's trials by those of earlier runs.

    A run is the unit: its mean scatters by what differs between runs and by its share of what differs between trials,
    and the next run's mean will scatter alike (Hahn and Meeker, Statistical Intervals, chapter 4, with N runs in place
    of N values). What differs between trials is pooled over all runs, and is a floor: a few runs that happen to agree
    do not make their trials agree. A slow mode that one trial in ten falls into is seen there, and hardly in the means.
    More trials than the runs had are not taken to scatter less: how much of it is the runs' own is known too roughly.

    :param today: logarithms of k trials' values.
    :param runs: the same of N runs, a list each; two or more.
    """
    means = [fmean(run) for run in runs]
    degrees = sum(len(run) - 1 for run in runs)
    within = sum((value - mean) ** 2 for run, mean in zip(runs, means) for value in run) / degrees if degrees else 0.0
    trials = harmonic_mean([len(run) for run in runs])
    of_a_mean = within / trials
    between = max(0.0, stdev(means) ** 2 - of_a_mean)
    variance = between + within / min(len(today), trials) + (between + of_a_mean) / len(runs)
    return Prediction(fmean(today) - fmean(means), sqrt(variance), len(runs) - 1)
