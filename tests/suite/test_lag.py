"""How long a device went on after the clock was stopped: the wait is seen, and the cost of fresh memory is not."""

from __future__ import annotations

import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import host
from benchmarks.host import TrainerHost
from benchmarks.proof import parity
from benchmarks.workload.spec import Workload
from pytest_duet.trials.trial import Memory, Round, Trial

FRESH_SECONDS = 0.003  # what copies into fresh memory cost


class Trainer:
    """Copies its parameters at once where the memory of earlier copies is free again, and slowly where it is not.

    The time is its own: ``now``, in seconds.
    """

    def __init__(self, device_seconds):
        self.now, self.device_seconds, self.copies = 0.0, device_seconds, []

    def parameters(self):
        self.now, self.device_seconds = self.now + self.device_seconds, 0.0
        if all(copy() is not None for copy in self.copies):
            self.now += FRESH_SECONDS
            self.copies.append(None)
        array = np.zeros((2, 2))
        self.copies[-1] = weakref.ref(array)
        return [(array, np.zeros(2))]


@pytest.mark.parametrize("device_seconds", [0.0, 0.2])
def test_the_lag_is_what_the_device_took_and_not_what_the_first_copies_cost(device_seconds, monkeypatch):
    trained = TrainerHost()
    trained.initial = [(np.zeros((2, 2)), np.zeros(2))]
    trained.trainer = Trainer(device_seconds)
    monkeypatch.setattr(host, "now_seconds", lambda: trained.trainer.now)
    assert trained._lag(1.0) == pytest.approx(device_seconds)


@pytest.mark.parametrize(
    ("seconds", "lags", "by_driver", "said"),
    [
        (0.04, [0.001] * 3, [0.00025] * 3, True),  # a fused epoch on a GPU, of which the host sees too little
        (0.04, [0.001] * 3, [0.00001] * 3, False),
        (0.04, [0.001] * 3, [0.00001, 0.1, 0.00001], False),  # once is chance
        (0.04, [0.001] * 3, [None] * 3, False),
        (0.04, [0.003] * 3, [0.00001] * 3, True),  # a thread of the trainer's own, of which the driver knows nothing
        (2.0, [0.009] * 3, [0.0005] * 3, False),  # within the share of a long epoch
        (2.0, [0.0] * 3, [0.02] * 3, True),
    ],
)
def test_of_two_accounts_of_the_lag_the_worse_one_counts(seconds, lags, by_driver, said):
    pairs = zip([0.5, *lags], [0.5, *by_driver])
    rounds = [
        Round(number, seconds, metrics={}, lag_seconds=lag, driver_lag_seconds=its)
        for number, (lag, its) in enumerate(pairs, 1)
    ]
    assert parity.lags(Trial(Memory(), seconds=seconds, rounds=tuple(rounds))) is said


class Driver:
    def __init__(self, trainer):
        self.asked, self.trainer = [], trainer

    def seconds(self):
        self.asked.append(list(self.trainer.done))
        return 0.25


class Logs:
    device_name = "gpu:any"

    def __init__(self):
        self.done = []

    def train_epoch(self, order):
        self.done.append("trained")
        return 1.0

    def memory(self):
        self.done.append("asked")
        return {}

    def parameters(self):
        self.done.append("asked")
        return [(np.zeros((2, 2)), np.zeros(2))]


def test_the_driver_is_asked_first_and_at_an_epoch_s_end_alone():
    trained = TrainerHost()
    trained.workload, trained.dataset = Workload(dataset="synthetic"), SimpleNamespace(train_labels=np.zeros(256))
    trained.initial, trained.trainer, trained.order_of = [(np.zeros((2, 2)), np.zeros(2))], Logs(), None
    trained._cuda = Driver(trained.trainer)
    assert trained.round(1, 0, 1).driver_lag_seconds is None and not trained._cuda.asked
    trained.trainer.done.clear()
    assert trained.round(1, 1, None).driver_lag_seconds == 0.25
    assert trained._cuda.asked == [["trained"]]


def test_a_trial_that_seems_to_lag_is_repeated_and_a_trainer_that_lags_is_caught(suite):
    """Whoever loses the core in the wrong moment once is no liar; who is late again is."""
    run = suite("--epochs=2", frameworks="late,late-once")
    outcome, message = run.outcomes["late"]
    assert outcome == "failure" and "returns before the device has finished" in message
    assert run.outcomes["late-once"][0] == "passed"
    row = run.rows["late-once"]
    assert row["repeated_attempts"] >= 1, "and nobody hides it"
    assert all(epoch["lag_seconds"] < 0.05 for trial in row["trials"] for epoch in trial["rounds"])


def test_so_it_is_where_both_sides_take_turns(suite):
    run = suite("--against=self", "--epochs=4", "--steps=16", "--max-trials=1", frameworks="late-once")
    row = run.rows["late-once"]
    assert (row["repeated_attempts"], row["against"]["row"]["repeated_attempts"]) == (1, 1)
    assert len(row["trials"]) == len(row["against"]["row"]["trials"]) == 1
