"""What neighbouring turns say together: blocks, and the two figures of a trial that are made of them.

Whatever going first is worth, in a block it is worth to either side once, and cancels (ABBA; Box, Hunter and Hunter,
Statistics for Experimenters, 2nd ed., section 4.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from statistics import fmean, variance
from typing import NamedTuple


class Block(NamedTuple):
    """Seconds of both sides in two neighbouring turns.

    :param new_leading: the new side's, in the turn that it was first in; ``old_trailing`` is the old side's there.
    """

    new_leading: float
    old_trailing: float
    new_trailing: float
    old_leading: float

    @property
    def new(self) -> float:
        return self.new_leading + self.new_trailing

    @property
    def old(self) -> float:
        return self.old_leading + self.old_trailing

    @property
    def shift(self) -> float:
        """The logarithm of new over old: the mean of both orders'."""
        return (log(self.new_leading / self.old_trailing) + log(self.new_trailing / self.old_leading)) / 2

    @property
    def order_effect(self) -> float:
        """By how much of a logarithm going first costs a side."""
        return (log(self.new_leading / self.old_trailing) - log(self.new_trailing / self.old_leading)) / 2


@dataclass(frozen=True)
class Estimate:
    """The logarithm of new over old in a trial, and its standard error within that trial; infinite where unknown."""

    shift: float
    error: float

    @property
    def ratio(self) -> float:
        return exp(self.shift)


def total(blocks: Sequence[Block]) -> Estimate:
    """Return all of the new side's time over all of the old one's: every slow step counts, and so does every burst.

    The error is that of a ratio of means (Cochran, Sampling Techniques, 3rd ed., section 6.3).
    """
    old = sum(block.old for block in blocks)
    ratio = sum(block.new for block in blocks) / old
    count = len(blocks)
    if count < 2:
        return Estimate(log(ratio), inf)
    squares = sum((block.new - ratio * block.old) ** 2 for block in blocks)
    return Estimate(log(ratio), sqrt(count / (count - 1) * squares) / old / ratio)


TRIMMED = 0.25  # of the blocks, on either side


def typical(blocks: Sequence[Block]) -> Estimate:
    """Return new over old as most of the trial has it: the trimmed mean of the blocks. Bursts do not count.

    The error is by the winsorized variance (Tukey and McLaughlin, Sankhya A 25, 1963).
    """
    shifts = sorted(block.shift for block in blocks)
    count, drop = len(shifts), int(TRIMMED * len(shifts))
    kept = shifts[drop : count - drop]
    if count < 2:
        return Estimate(fmean(kept), inf)
    winsorized = [kept[0]] * drop + kept + [kept[-1]] * drop
    return Estimate(fmean(kept), sqrt(variance(winsorized) / count) / (len(kept) / count))


def order_effect(blocks: Sequence[Block]) -> float:
    """Return by how much of its time going first costs a side, as a logarithm; above 0 where it costs."""
    return fmean(block.order_effect for block in blocks)
