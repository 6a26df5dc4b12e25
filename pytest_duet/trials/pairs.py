"""Paired trials: two live workers that take turns, so that whatever slows the machine slows both.

The workers are started and warmed one after the other. Started together, the second one stays slower for good: by 5 %
with JAX on two cores of a Xeon, with identical code on both sides. Which side starts alternates from trial to trial.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from math import exp, log, log2
from statistics import median

from pytest_duet.errors import DuetError
from pytest_duet.trials.recorder import Training
from pytest_duet.trials.trial import Trial

# What one turn takes. For the same time altogether, JAX scattered by 1.8, 1.4, 5.2 and 4.2 % from trial to trial in
# turns of 4, 16, 64 and 256 steps of 5 ms each (python -m tests.turn_lengths jax --trials 6 --turns 1, two cores).
PART_SECONDS = 0.1
WARM_EPOCHS = 2  # the first whole, as an ordinary trial's; the second in parts, whose shapes compile anew
NEW, OLD = "new", "old"


@dataclass(frozen=True)
class Pair:
    """One paired trial.

    :param new: :class:`Trial` of the side under test; its epochs are the sums of their parts.
    :param old: of the side that it is compared with.
    :param turns: seconds of new and old, turn by turn, each pair for the same steps of the same epoch.
    """

    new: Trial
    old: Trial
    turns: tuple

    @property
    def epoch_ratio(self):
        """New over old: the median over the turns, since a burst of others' work slows one turn of one side."""
        return exp(median(log(new / old) for new, old in self.turns))


def cut_into_turns(workload, images, part_seconds, step_seconds):
    """Return the turns of an epoch, ``[(first step, stop), ...]``, the last one's stop None.

    A turn's steps are a power of two, so that they are as many in every run.

    :param images: of the data set.
    :param part_seconds: what a turn is to take.
    :param step_seconds: what a step is thought to take.
    """
    steps = workload.steps_per_epoch(images)
    fitting = part_seconds / max(step_seconds, 1e-9)
    each = steps if fitting >= steps else 2 ** max(0, round(log2(fitting)))
    firsts = range(0, steps, each)
    return [(first, stop) for first, stop in zip(firsts, [*firsts[1:], None])]


def run_pair(new, old, number, sampler, parts):
    """Return paired trial ``number`` as a :class:`Pair`.

    :param new: :class:`pytest_duet.trials.runner.Runner` of the side under test; ``old`` likewise.
    :param sampler: called without arguments, gives a fresh :class:`MemorySampler`.
    :param parts: ``[(first, stop), ...]``, the steps of each turn, which cut an epoch into parts.
    :raises DuetError: where the old side's code is too old to take turns.
    """
    epochs = new.workload.epochs
    samplers = {NEW: sampler(), OLD: sampler()}  # made before either worker: each other's memory is not foreign
    with ExitStack() as stack:
        sides = {}
        for name, runner in ((NEW, new), (OLD, old))[:: 1 if number % 2 else -1]:
            new.progress(f"trial {number}, starting the {name} side")
            worker = stack.enter_context(runner.worker())
            stack.enter_context(samplers[name].watch(worker.pid))
            sides[name] = _warmed(runner, worker, samplers[name], parts)
        turns = []
        for epoch in range(WARM_EPOCHS + 1, epochs + 1):
            new.progress(f"trial {number}, taking turns, epoch {epoch}/{epochs}")
            for part in parts:
                order = (NEW, OLD) if (len(turns) + number // 2) % 2 else (OLD, NEW)  # ABBA; in another trial, BAAB
                seconds = {name: sides[name].train_part(epoch, *part) for name in order}
                turns.append((seconds[NEW], seconds[OLD]))
            for side in sides.values():
                side.end_epoch(epoch, examine=epoch == epochs)
    return Pair(sides[NEW].trial(), sides[OLD].trial(), tuple(turns))


def _warmed(runner, worker, samples, parts):
    training = Training(runner, worker, samples)
    if "parts" not in training.built:
        raise DuetError(f"{runner.entry.name}: the other revision's suite cannot take turns yet; choose a later one.")
    training.train_epoch(1)
    for part in parts:
        training.train_part(2, *part)
    training.drop_epoch()
    return training
