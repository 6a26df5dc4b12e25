"""Where in a row of revisions did a figure change? A binary search whose answers are noisy, each with its own error.

The first one of the row is what every other is compared with. It is taken for granted that the figure changed once: all
before the change are as the first, all from it on as the last. Each is held against half of the whole change, in
logarithms, so that one that lies before is "clean" and one that lies behind is beyond the margin. The answers that the
search needs share ``TOTAL_ERROR`` (Bonferroni), so the whole path is wrong with that probability at the most.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil, exp, log, log2, sqrt

from pytest_duet.record.comparison import Comparison, Verdict

TOTAL_ERROR = 0.05


class Answer(StrEnum):
    BEFORE = "before"  # the change
    AFTER = "after"  # or the change itself
    OPEN = "open"  # trials did not decide it
    BROKEN = "broken"  # it could not be measured


@dataclass
class Search:
    """What is known of a row of revisions.

    :param count: how many there are, the first and the last one included, which differ.
    :ivar answers: by number, from 0.
    """

    count: int
    answers: dict[int, Answer] = field(default_factory=dict)

    @property
    def good(self) -> int:
        """The last one that is known to lie before the change."""
        return max((number for number, one in self.answers.items() if one is Answer.BEFORE), default=0)

    @property
    def bad(self) -> int:
        """The first one that is known to lie behind it."""
        return min((number for number, one in self.answers.items() if one is Answer.AFTER), default=self.count - 1)

    def next(self) -> int | None:
        """Return which one to ask, of those that nobody has asked the one next to the middle; None where all have."""
        middle = (self.good + self.bad) / 2
        left = [number for number in range(self.good + 1, self.bad) if number not in self.answers]
        return min(left, key=lambda number: (abs(number - middle), number), default=None)

    @property
    def answered(self) -> int:
        """How many of the answers said on which side of the change one lies."""
        return sum(one in (Answer.BEFORE, Answer.AFTER) for one in self.answers.values())


def error_of_each(count: int) -> float:
    """Return how probable a wrong answer may be, of each that a row of so many takes if none of them fails.

    Those are: that the last one differs from the first, one for every halving, and the change beside the one before it.
    """
    return TOTAL_ERROR / (2 + (ceil(log2(count - 1)) if count > 2 else 0))


def answer(one: Comparison, worse: bool) -> Answer:
    """Return what a comparison with the first one says.

    :param worse: whether the last one is worse than the first, not better.
    """
    sides = {Verdict.REGRESSED: worse, Verdict.IMPROVED: not worse, Verdict.CLEAN: False}
    if one.verdict in sides:
        return Answer.AFTER if sides[one.verdict] else Answer.BEFORE
    return Answer.OPEN if one.verdict is Verdict.INCONCLUSIVE else Answer.BROKEN


def change(one: Comparison) -> float:
    """Return by which factor the new side is worse, the middle of its interval."""
    return sqrt(one.low * one.high) if one.low and one.high else 1.0


def half_way(ratio: float) -> float:
    """Return the margin, a share, half-way to a change by this factor."""
    return exp(abs(log(ratio)) / 2) - 1


def worst_error(each: float, answered: int) -> float:
    """Return how probable it is at the most that so many answers of a search, or two comparisons more, are wrong."""
    return each * (2 + answered)
