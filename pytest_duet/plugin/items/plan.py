"""How much of a test's work a trial has: calls a unit, units a round, rounds a trial.

A unit is what one clock stands around, a round what a side does in a turn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from pytest_duet.trials.turns import WARM_ROUNDS

ROUND_SECONDS = 0.025  # of work: both sides take some forty turns a second
MIN_ROUNDS, MAX_ROUNDS = 8, 24  # that are timed in a trial, before anything is known of the noise
MOST_ROUNDS = 48  # that are timed in one where it is large
ERRORS_A_MARGIN = 3  # a trial's turns are to be so many times surer than the margin is wide: what is left averages out


@dataclass(frozen=True)
class Allowed:
    """How much of its work a test allows, in units (:mod:`pytest_duet.plugin.items.timing`).

    :param units: how many; None for any number.
    :param calls: of each, where their number is bounded.
    """

    units: int | None = None
    calls: int = 1


@dataclass(frozen=True)
class Plan:
    """What every trial of a test does, on either side. A test that makes one call has no rounds: it is its first call.

    :param calls: of a unit; ``units`` is how many a round has.
    :param rounds: of a trial, those that warm it up included.
    """

    calls: int
    units: int
    rounds: int

    @property
    def calls_a_round(self) -> int:
        return self.calls * self.units

    def fitted(self, error: float, margin: float, allowed: Allowed) -> Plan:
        """Return the plan of the next trial: as many rounds as the noise asks for.

        What decides is how surely a trial tells, never what it tells, so this favours no answer.

        :param error: the standard error that the turns of the last trial left, of a logarithm; infinite if unknown.
        :param margin: the logarithm of the largest ratio that does not matter.
        """
        timed = self.rounds - WARM_ROUNDS
        times = (ERRORS_A_MARGIN * min(error, margin) / margin) ** 2
        wanted = min(max(ceil(timed * times), MIN_ROUNDS), MOST_ROUNDS)
        most = MOST_ROUNDS if allowed.units is None else (allowed.units - 1) // self.units - WARM_ROUNDS
        fitted = min(wanted + wanted % 2, max(most, timed))
        return replace(self, rounds=WARM_ROUNDS + fitted)

    @property
    def takes_turns(self) -> bool:
        """Whether there are enough rounds for two sides to take turns, beside those that warm them up."""
        return self.rounds >= WARM_ROUNDS + 2


def make_plan(call_seconds: float, allowed: Allowed, round_seconds: float = ROUND_SECONDS) -> Plan:
    """Return the plan of a test whose calls take so long, and whose rounds and calls the test itself may bound.

    :param round_seconds: what a round is to take; longer calls make longer rounds, and fewer.
    """
    call_seconds = max(call_seconds, 1e-9)
    if allowed.units is None:
        calls = max(1, round(round_seconds / call_seconds))
        timed = min(max(round(MAX_ROUNDS * round_seconds / (calls * call_seconds)), MIN_ROUNDS), MAX_ROUNDS)
        return Plan(calls, 1, WARM_ROUNDS + timed - timed % 2)
    left = allowed.units - 1  # the first call is made before any round
    fit = round(round_seconds / (allowed.calls * call_seconds))
    units = max(1, min(fit, left // (WARM_ROUNDS + MIN_ROUNDS)))
    return Plan(allowed.calls, units, min(left // units, WARM_ROUNDS + MAX_ROUNDS))
