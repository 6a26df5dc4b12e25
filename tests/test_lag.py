"""How long a device went on after the clock was stopped: the wait is seen, and the cost of fresh memory is not."""

from __future__ import annotations

import time
import weakref

import numpy as np
import pytest

from benchmarks.measure.host import Host

READ_SECONDS = 0.03  # of fresh copies; sleeps overshoot by a few milliseconds, far less than this


class Trainer:
    """Copies its parameters quickly where the memory of earlier copies is free again, and slowly where it is not."""

    def __init__(self, device_seconds=0.0):
        self.ready = time.perf_counter() + device_seconds
        self.copies = []

    def parameters(self):
        time.sleep(max(0.0, self.ready - time.perf_counter()))
        if not self.copies or all(copy() is not None for copy in self.copies):
            time.sleep(READ_SECONDS)
            self.copies.append(None)
        array = np.zeros((2, 2))
        self.copies[-1] = weakref.ref(array)
        return [(array, np.zeros(2))]


@pytest.mark.parametrize("device_seconds", [0.0, 0.2])
def test_the_lag_is_what_the_device_took_and_not_what_the_first_copies_cost(device_seconds):
    host = Host()
    host.initial = [(np.zeros((2, 2)), np.zeros(2))]
    host.trainer = Trainer(device_seconds)
    assert abs(host._lag(1.0) - device_seconds) < READ_SECONDS / 2
