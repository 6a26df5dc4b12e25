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
    """

    mnist: Dataset
    oracle: Callable
    sampler: Callable[[], MemorySampler]
    turn_seconds: float
    bound: Callable

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
        flops = runner.workload.flops_per_epoch(runner.workload.images_per_epoch(len(self.mnist.train_labels)))
        rounds = [each for trial in trials for each in trial.steady]
        bound = partial(self.bound, device, runner.workload)
        return check_floor(name, rounds, flops, bound, on_cpu=device == "cpu")

    def with_other(self, other, new, old, built, peak, wants_more):
        """Return both sides' rows, each with what :func:`benchmarks.summary.describe` returns beside it.

        :param other: the old side's name; ``new`` and ``old`` are the runners.
        :param built: what :meth:`prove_steps` returned of the new side and of the old one.
        :param wants_more: tells, of the new side's row, whether another trial is worth its time.
        """
        images, workload = len(self.mnist.train_labels), new.workload
        steps, full = workload.steps_per_epoch(images), workload.full_steps_per_epoch(images)
        cut = cut_into_turns(steps, full, self.turn_seconds, built[0]["seconds_per_step"])
        names, right = (new.entry.name, f"{other}'s {new.entry.name}"), self.oracle(workload)
        pairs, trials, errors, row = [], ([], []), ([], []), None
        while row is None or wants_more(row):
            pairs.append(self._pair(new, old, len(pairs) + 1, cut))
            for name, done, off, trial in zip(names, trials, errors, (pairs[-1].new, pairs[-1].old)):
                error, proven = prove(name, trial, right, workload, self.mnist)
                off.append(error)
                done.append(proven)
            sides = [describe(*side, peak, right) for side in zip((new, old), [self.mnist] * 2, built, trials, errors)]
            (row, training), others = sides
            row = replace(row, against=Against.of(other, others[0], pairs))
        for name, runner, said, done in zip(names, (new, old), built, trials):
            self.check_contract(name, runner, said)
            self.check_floor(name, runner, said["device"], done)
        return (row, training), others

    def _pair(self, new, old, number, cut):
        """Return a paired trial, again where a device seemed to work on after the clock: that may be chance."""
        pair = run_pair(new, old, number, self.sampler, cut)
        if not (parity.lags(pair.new) or parity.lags(pair.old)):
            return pair
        again = run_pair(new, old, number, self.sampler, cut)
        return replace(again, new=replace(again.new, attempt=2), old=replace(again.old, attempt=2))


def prove(name, trial, right, workload, dataset):
    """Return how far a trial is from the oracle, which it has to agree with, and the trial with its accuracies."""
    off, proven = parity.check_trial(name, trial, right, workload, dataset)
    wrong_accuracy = parity.wrong_accuracy(name, proven, right)
    assert not wrong_accuracy, wrong_accuracy
    check_untimed(name, trial, workload.n_parameters * FLOAT_BYTES)
    return off, proven
