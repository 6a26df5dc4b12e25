"""Paired trials: two live workers that take turns, so that whatever slows the machine slows both.

The workers are started and warmed one after the other. Started together, the second one stays slower for good: by 5 %
with JAX on two cores of a Xeon, with identical code on both sides. Which side starts alternates from trial to trial.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import exp, log, log2
from statistics import median

from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.trials.recorder import Recorder
from pytest_duet.trials.runner import Runner
from pytest_duet.trials.trial import Trial
from pytest_duet.workers.hosted import Hosted

# What one turn takes. For the same time altogether, JAX scattered by 1.8, 1.4, 5.2 and 4.2 % from trial to trial in
# turns of 4, 16, 64 and 256 steps of 5 ms each (python -m tests.turn_lengths jax --trials 6 --turns 1, two cores).
PART_SECONDS = 0.1
WARM_ROUNDS = 2  # the first whole, as an ordinary trial's; the second in parts, whose shapes compile anew
NEW, OLD = "new", "old"
Parts = Sequence[tuple[int, int | None]]


@dataclass(frozen=True)
class Pair:
    """One paired trial.

    :param new: the side under test; its rounds are the sums of their parts.
    :param old: the side that it is compared with.
    :param turns: seconds of new and old, turn by turn, each pair for the same steps of the same round.
    """

    new: Trial
    old: Trial
    turns: tuple[tuple[float, float], ...]

    @property
    def ratio(self) -> float:
        """New over old: the median over the turns, since a burst of others' work slows one turn of one side."""
        return exp(median(log(new / old) for new, old in self.turns))


def cut_into_turns(steps: int, part_seconds: float, step_seconds: float) -> Parts:
    """Return the turns of a round, ``[(first step, stop), ...]``, the last one's stop None.

    A turn's steps are a power of two, so that they are as many in every run.

    :param steps: of the round; ``step_seconds`` is what one is thought to take, ``part_seconds`` what a turn is to.
    """
    fitting = part_seconds / max(step_seconds, 1e-9)
    each = steps if fitting >= steps else 2 ** max(0, round(log2(fitting)))
    firsts = range(0, steps, each)
    return [(first, stop) for first, stop in zip(firsts, [*firsts[1:], None])]


def run_pair(new: Runner, old: Runner, number: int, sampler: Callable[[], MemorySampler], parts: Parts) -> Pair:
    """Return paired trial ``number``.

    :param parts: of a round, the steps of each turn, :func:`cut_into_turns`.
    :raises WorkerError: where the old side's code is too old to take turns.
    """
    samplers = {NEW: sampler(), OLD: sampler()}  # made before either worker: each other's memory is not foreign
    with ExitStack() as stack:
        sides: dict[str, Recorder] = {}
        for name, runner in ((NEW, new), (OLD, old))[:: 1 if number % 2 else -1]:
            new.progress(f"trial {number}, starting the {name} side")
            worker = stack.enter_context(runner.worker())
            stack.enter_context(samplers[name].watch(worker.pid))
            sides[name] = _warmed(runner, worker, samplers[name], parts)
        turns: list[tuple[float, float]] = []
        for each in range(WARM_ROUNDS + 1, new.rounds + 1):
            new.progress(f"trial {number}, taking turns, {new.told(each)}")
            for first, stop in parts:
                order = (NEW, OLD) if (len(turns) + number // 2) % 2 else (OLD, NEW)  # ABBA; in another trial, BAAB
                seconds = {name: sides[name].part(each, first, stop) for name in order}
                turns.append((seconds[NEW], seconds[OLD]))
            for side in sides.values():
                side.end_round(each, examine=each == new.rounds)
    return Pair(sides[NEW].trial(), sides[OLD].trial(), tuple(turns))


def _warmed(runner: Runner, worker: Hosted, sampler: MemorySampler, parts: Parts) -> Recorder:
    recorder = Recorder(runner, worker, sampler)
    recorder.round(1)
    for first, stop in parts:
        recorder.part(2, first, stop)
    recorder.drop_parts()
    return recorder
