"""What a run's trials say of the median: order statistics, and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

CONFIDENCE = 0.95


@dataclass(frozen=True)
class MedianInterval:
    """An interval for the median of what trials are drawn from."""

    low: float
    high: float
    confidence: float  # the probability that it holds the median, whatever the distribution


def median_interval(values: Sequence[float]) -> MedianInterval | None:
    """Return the shortest interval between two of the values that is ``CONFIDENCE`` sure, symmetrically.

    With five values or fewer none is: then it is the lowest to the highest, and says how sure that is, such as 75 % for
    three (Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2). None for fewer than two values.
    """
    n = len(values)
    if n < 2:
        return None
    ordered, drop = sorted(values), 0
    while 2 * (drop + 1) < n and _confidence(n, drop + 1) >= CONFIDENCE:
        drop += 1
    return MedianInterval(ordered[drop], ordered[-1 - drop], _confidence(n, drop))


def _confidence(n: int, drop: int) -> float:
    return float(1 - 2 * sum(comb(n, below) for below in range(drop + 1)) / 2**n)
