"""How long a device went on after the clock was stopped: the wait is seen, and the cost of fresh memory is not."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from benchmarks import host
from benchmarks.host import TrainerHost

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
