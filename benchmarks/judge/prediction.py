"""Is today outside of what history predicts? A prediction interval for the mean of today's trials."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import fmean, harmonic_mean, stdev


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

    def interval(self, alpha):
        """Return the bounds of the shift; on each side it is missed with probability ``alpha``."""
        from scipy.stats import t  # 0.3 s that only a gate has to wait for

        reach = float(t.ppf(1 - alpha, self.degrees)) * self.deviation
        return self.shift - reach, self.shift + reach


def predict(today, runs):
    """Return the :class:`Prediction` of today's trials by those of earlier runs.

    A run is the unit: its mean scatters by what differs between runs and by its share of what differs between trials,
    and the next run's mean will scatter alike (Hahn and Meeker, Statistical Intervals, chapter 4, with N runs in place
    of N values). What differs between trials is pooled over all runs, and is a floor: a few runs that happen to agree
    do not make their trials agree. A slow mode that one trial in ten falls into is seen there, and hardly in the means.

    :param today: logarithms of k trials' values.
    :param runs: the same of N runs, a list each; two or more.
    """
    means = [fmean(run) for run in runs]
    degrees = sum(len(run) - 1 for run in runs)
    within = sum((value - mean) ** 2 for run, mean in zip(runs, means) for value in run) / degrees if degrees else 0.0
    of_a_mean = within / harmonic_mean([len(run) for run in runs])
    between = max(0.0, stdev(means) ** 2 - of_a_mean)
    variance = between + within / len(today) + (between + of_a_mean) / len(runs)
    return Prediction(fmean(today) - fmean(means), sqrt(variance), len(runs) - 1)
