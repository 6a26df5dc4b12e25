"""What is proven of a framework's training, and its paired trials: two sides that take turns, proven to train alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.proof import parity
from benchmarks.proof.contract import check_contract, check_device
from benchmarks.proof.floor import check_floor
from benchmarks.proof.untimed import check_untimed
from benchmarks.summary import describe
from benchmarks.trainer_runner import TrainerRunner
from benchmarks.workload.dataset import Dataset
from benchmarks.workload.spec import FLOAT_BYTES
from pytest_duet.record.row import Against
from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.trials.pairs import run_pair
from pytest_duet.trials.turns import cut_into_turns


@dataclass(frozen=True)
class TakingTurns:
    """How training is proven, and takes turns.

    :param oracle: gives, for a workload, how its training must go.
    :param sampler: gives a fresh sampler for one side of one trial.
    :param bound: :meth:`benchmarks.peak.measured_peak.MeasuredPeaks.bound`.
    :param each_step: whether the loss of each step of the first epoch is to be told.
    :param soak: called with a runner before its trials.
    """

    mnist: Dataset
    oracle: Callable
    sampler: Callable[[], MemorySampler]
    turn_seconds: float
    bound: Callable
    each_step: bool = False
    soak: Callable[[TrainerRunner], object] = lambda runner: None

    def prove_steps(self, name, runner):
        """Return what a side says of itself and of its first steps, which have to be the oracle's."""
        built = runner.take_steps(parity.parity_batches(runner.workload, len(self.mnist.train_labels)), self.sampler)
        check_device(name, built["device"])
        parity.check_steps(name, built, runner.workload, self.mnist)
        return built

    def check_contract(self, name, runner, built):
        """Hold a side against its contract; after its trials, which tell better what is wrong with one that lags."""
        check_contract(name, built, runner.workload, self.mnist)

    def check_floor(self, name, runner, device, trials):
        """Return what an epoch takes at the least, which none of these trials' may fall short of."""
        images = runner.workload.images_per_epoch(len(self.mnist.train_labels))
        flops = runner.workload.flops_per_epoch(images, fewest=True)
        rounds = [each for trial in trials for each in trial.steady]
        bound = partial(self.bound, device, runner.workload)
        return check_floor(name, rounds, flops, bound, on_cpu=device == "cpu")


class PairedTraining:
    """A framework's paired trials.

    :param turns: how they are proven.
    :param other: the old side's name.
    :param runners: of the new side and of the old one; ``built`` is what :meth:`TakingTurns.prove_steps` returned.
    :ivar row: of the new side, with all its paired trials so far.
    :ivar training: what :func:`benchmarks.summary.describe` returns beside it; ``others`` is that of the old side.
    """

    def __init__(self, turns, other, runners, built, peak):
        self._turns, self._other, self._runners, self._built, self._peak = turns, other, runners, built, peak
        name, workload, images = runners[0].entry.name, runners[0].workload, len(turns.mnist.train_labels)
        self._names, self._right = (name, f"{other}'s {name}"), turns.oracle(workload)
        steps, full = workload.steps_per_epoch(images), workload.full_steps_per_epoch(images)
        self._cut = cut_into_turns(steps, full, turns.turn_seconds, built[0]["seconds_per_step"])
        self._first = [(step, step + 1) for step in range(steps - 1)] + [(steps - 1, None)] if turns.each_step else ()
        self._pairs, self._trials, self._errors = [], ([], []), ([], [])

    def run(self):
        """Run one more trial of both sides, and prove it."""
        self._pairs.append(self._pair(len(self._pairs) + 1))
        for number, trial in enumerate((self._pairs[-1].new, self._pairs[-1].old)):
            workload, mnist = self._runners[0].workload, self._turns.mnist
            error, proven = prove(self._names[number], trial, self._right, workload, mnist)
            self._errors[number].append(error)
            self._trials[number].append(proven)
        (row, self.training), (other, self.others) = map(self._described, (0, 1))
        self.row = replace(row, against=Against.of(self._other, other, self._pairs))

    def check(self):
        """Hold both sides against their contracts and the floor, once all trials have run."""
        for name, runner, built, trials in zip(self._names, self._runners, self._built, self._trials):
            self._turns.check_contract(name, runner, built)
            self._turns.check_floor(name, runner, built["device"], trials)

    def _described(self, side):
        trials, errors = self._trials[side], self._errors[side]
        told = self._built[side], trials, errors, self._peak, self._right
        return describe(self._runners[side], self._turns.mnist, *told)

    def _pair(self, number):
        """Return a paired trial, again where a device seemed to work on after the clock: that may be chance."""
        pair = run_pair(*self._runners, number, self._turns.sampler, self._cut, first=self._first)
        if not (parity.lags(pair.new) or parity.lags(pair.old)):
            return pair
        again = run_pair(*self._runners, number, self._turns.sampler, self._cut, first=self._first)
        return replace(again, new=replace(again.new, attempt=2), old=replace(again.old, attempt=2))


def prove(name, trial, right, workload, dataset):
    """Return how far a trial is from the oracle, which it has to agree with, and the trial with its accuracies."""
    off, proven = parity.check_trial(name, trial, right, workload, dataset)
    wrong_accuracy = parity.wrong_accuracy(name, proven, right, workload.precision)
    assert not wrong_accuracy, wrong_accuracy
    check_untimed(name, trial, workload.n_parameters * FLOAT_BYTES)
    return off, proven
