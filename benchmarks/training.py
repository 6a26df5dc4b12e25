"""A framework's training as a session runs it: proven, fitted to the budget, then a trial in every round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.options import AGAINST_EPOCH_SECONDS
from benchmarks.proof import parity
from benchmarks.summary import describe
from benchmarks.taking_turns import TakingTurns, prove
from benchmarks.trainer_runner import TrainerRunner


@dataclass
class Training:
    """An entrant of :class:`pytest_duet.trials.rounds.Rounds`.

    :param make_runner: gives its :class:`TrainerRunner`, or raises what keeps it from training here.
    :param peak_of: gives, for a device, its measured peak.
    :param epoch_budget: in seconds; None for whole epochs, however long.
    :ivar built: what the trainer said of itself.
    """

    name: str
    make_runner: Callable[[], TrainerRunner]
    turns: TakingTurns
    peak_of: Callable
    epoch_budget: float | None

    def prepare(self):
        self.trials, self.errors = [], []
        self.runner = self.make_runner()
        self.built = self.turns.prove_steps(self.name, self.runner)
        self.peak, self.step_seconds = self.peak_of(self.built["device"]), self.built["seconds_per_step"]
        images = len(self.turns.mnist.train_labels)
        self.runner = self.runner.within(self.epoch_budget, self.step_seconds, images)
        self.right = self.turns.oracle(self.runner.workload)

    def run(self, number):
        self._take(number, self.runner.run(number, self.turns.sampler))

    def heat(self, number):
        sampler = self.turns.sampler()  # now, before anybody's worker starts: each other's memory is not foreign
        return self._heat(number, sampler)

    def _heat(self, number, sampler):
        trial = yield from self.runner.heat(number, sampler)
        self._take(number, trial)

    def _take(self, number, trial):
        if parity.lags(trial):
            again = self.runner.run(number, self.turns.sampler)
            trial = replace(again, attempt=trial.attempt + again.attempt)
        self.errors.append(prove(self.name, trial, self.right, self.runner.workload))
        self.trials.append(trial)

    def news(self):
        last = self.trials[-1]
        return f"epoch {last.seconds:.3f} s{', DISTURBED' if last.disturbed else ''}"

    def described(self):
        """Return its row, as :func:`benchmarks.summary.describe` does; the contract is to hold, too.

        It is checked after the trials, which tell better what is wrong with one that lags.
        """
        self.turns.check_contract(self.name, self.runner, self.built)
        return describe(self.runner, self.turns.mnist, self.built, self.trials, self.errors, self.peak)

    def beside(self, other, wants_more):
        """Return the row of paired trials with another side's code, for as long as more of them are wanted."""
        images = len(self.turns.mnist.train_labels)
        runners = self.runner, other.runner(self.runner)
        sides = [side.within(AGAINST_EPOCH_SECONDS, self.step_seconds, images) for side in runners]
        built = [self.built, self.turns.prove_steps(f"{other.name}'s {self.name}", sides[1])]
        ((row, _), _) = self.turns.with_other(other.name, *sides, built, self.peak, wants_more)
        return row
