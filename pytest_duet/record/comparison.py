"""What the gate said of one metric of one benchmark."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    REGRESSED = "regressed"  # the whole interval lies beyond the margin
    IMPROVED = "improved"  # beyond it on the other side
    CLEAN = "clean"  # the whole interval lies within the margin
    INCONCLUSIVE = "inconclusive"  # neither
    MACHINE = "the machine"  # every subject slowed by the same factor
    MISSING = "no baseline"  # nothing to judge by
    VOID = "void"  # the benchmark itself failed, so its figures mean nothing


@dataclass(frozen=True)
class Comparison:
    """One metric of one benchmark, judged; what is unknown is None.

    :param benchmark: pytest-benchmark's ``fullname``.
    :param old: in the metric's unit, as is ``new``.
    :param low: lower bound of the ratio that is above 1 where the new side is worse, ``high`` the upper one.
    :param margin: the largest ratio that does not matter.
    :param alpha: the probability that either bound misses; where clean, of calling so what lies at the margin.
    :param visible: the smallest ratio that would have been called a regression, had the noise been what it was.
    :param trials: how many of the new side.
    :param runs: how many earlier ones make the baseline; None against another environment.
    :param needs: how many trials would bring an open answer if they went on like these; None where nobody knows.
    :param no_worse: where it is inconclusive, whether only how much better it is stayed open.
    :param beside: what the new side took turns with, in words, where history left the question open; else ``""``.
    :param note: what else there is to say, in a sentence or more.
    """

    benchmark: str
    subject: str
    metric: str
    verdict: Verdict
    old: float | None = None
    new: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    alpha: float | None = None
    visible: float | None = None
    trials: int | None = None
    runs: int | None = None
    needs: int | None = None
    no_worse: bool = False
    beside: str = ""
    note: str = ""

    @property
    def surely_no_worse(self) -> bool:
        return self.no_worse or self.verdict in (Verdict.CLEAN, Verdict.IMPROVED)

    def but(self, **changes: Any) -> Comparison:
        return replace(self, **changes)
