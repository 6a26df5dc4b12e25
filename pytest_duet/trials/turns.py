"""How the turns of paired trials lie.

Both sides do the same steps in a turn, one after the other. Two neighbouring turns, equally long and of opposite
orders, make a block (:mod:`pytest_duet.trials.blocks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, log2

# What one turn takes. In 10 s, the mean over blocks had a standard error of 1.4, 1.7, 1.3 and 0.9 % in turns of 1, 2, 4
# and 8 steps of JAX (8 ms each), of 0.7, 0.4, 0.5 and 0.4 % with PyTorch and of 0.9, 1.1, 1.5 and 1.0 % with Keras
# (python -m tests.turn_lengths jax torch keras, two cores).
TURN_SECONDS = 0.05
# The first round is whole, as an ordinary trial's. The second one's first turns warm up as well: their shape is new.
WARM_ROUNDS, WARM_TURNS = 2, 2


@dataclass(frozen=True)
class Cut:
    """How each round is cut into turns.

    :param turns: first step and stop of every turn that is compared: an even number of equally many steps, or the
        whole round, ``((0, None),)``.
    :param rest: the first of the steps that are left, which are done and not compared; None where none are.
    """

    turns: tuple[tuple[int, int | None], ...]
    rest: int | None = None

    @property
    def parts(self) -> tuple[tuple[int, int | None], ...]:
        """All of a round, in order."""
        return self.turns if self.rest is None else (*self.turns, (self.rest, None))

    @property
    def warm(self) -> tuple[tuple[int, int | None], ...]:
        """What is done of the second round before turns are taken: all of it where it has no more than that."""
        return self.parts if len(self.turns) <= WARM_TURNS else self.turns[:WARM_TURNS]


WHOLE_ROUNDS = Cut(((0, None),))


def cut_into_turns(steps: int, equal_steps: int, turn_seconds: float, step_seconds: float) -> Cut:
    """Return the turns of a round; the whole round where it is too short for two turns.

    Their number is a power of two, so that the same machine arrives at the same turns in every run.

    :param steps: of the round; ``step_seconds`` is what one is thought to take, ``turn_seconds`` what a turn is to.
    :param equal_steps: how many of them, from the first on, are alike; a smaller last one is not.
    """
    seconds = equal_steps * step_seconds
    if equal_steps < 2 or not isfinite(turn_seconds):
        return WHOLE_ROUNDS
    turns = 2 ** max(1, round(log2(max(seconds / turn_seconds, 2))))
    while turns > equal_steps:
        turns //= 2
    each = equal_steps // turns
    compared = turns * each
    stops = [stop if stop < steps else None for stop in range(each, compared + 1, each)]  # None is the round's end
    return Cut(tuple(zip(range(0, compared, each), stops)), compared if compared < steps else None)


@dataclass(frozen=True)
class Turn:
    """One turn of a trial.

    :param number: of the round.
    :param block: which block of the trial it belongs to, from 0; None for the rest of a round.
    """

    number: int
    first: int
    stop: int | None
    new_first: bool
    block: int | None


def schedule(cut: Cut, rounds: int, trial: int) -> Iterator[list[Turn]]:
    """Yield the turns of each round from the second on; from round to round, who goes first in a part changes.

    What is warm-up of the second, :attr:`Cut.warm`, is left out.

    :param rounds: of a trial, the warm ones included.
    :param trial: its number; which side goes first alternates with every second one, as who starts does with each.
    """
    flip, taken = trial // 2, 0
    for number in range(WARM_ROUNDS, rounds + 1):
        warm = len(cut.warm) if number == WARM_ROUNDS else 0
        if warm == len(cut.parts):
            continue
        turns = []
        for place, (first, stop) in list(enumerate(cut.turns))[warm:]:
            block, second = divmod(taken, 2)
            lead = block if cut == WHOLE_ROUNDS else place // 2 + number
            turns.append(Turn(number, first, stop, (lead + flip + second) % 2 == 0, block))
            taken += 1
        if cut.rest is not None:
            turns.append(Turn(number, cut.rest, None, (number + flip) % 2 == 0, None))
        yield turns
