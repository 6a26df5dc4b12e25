"""Trainers that lie by bending a clock, or the count of their CPU time: ``--framework-path tests/liars/clocks.py``."""

import resource
import time
from types import SimpleNamespace

from tests.liars.trainers import Honest

TRAINERS = {
    "slow-clock": "SlowClock",
    "slow-host-clock": "SlowHostClock",
    "clock-that-stops": "ClockThatStops",
    "coarse-clock": "CoarseClock",
    "hides-its-cpu": "HidesItsCpu",
    "boasts-of-cpu": "BoastsOfCpu",
}


class SlowClock(Honest):
    """Has the clocks of its process run at half their speed."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        true, began = time.perf_counter, time.perf_counter()
        time.perf_counter = lambda: began + (true() - began) / 2
        time.perf_counter_ns = lambda: int(1e9 * time.perf_counter())


class CoarseClock(Honest):
    """Has a clock with steps of 15 ms, as Windows once had: by mistake, since some library asked for it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        true = time.perf_counter
        time.perf_counter = lambda: true() // 0.015 * 0.015


class SlowHostClock(Honest):
    """Knows where the suite keeps the clock that it took before anybody could replace it."""

    def __init__(self, *arguments):
        from benchmarks import host
        from pytest_duet.sensors import clock

        super().__init__(*arguments)
        true, began = clock.now_seconds, clock.now_seconds()
        host.now_seconds = clock.now_seconds = lambda: began + (true() - began) / 2


class ClockThatStops(Honest):
    """Has it stand still while an epoch is trained, and for as long as the epoch is reported."""

    def train_epoch(self, order):
        from benchmarks import host
        from pytest_duet.sensors import clock

        now = time.perf_counter() + 1e-4
        host.now_seconds = clock.now_seconds = lambda: now
        return super().train_epoch(order)


class HidesItsCpu(Honest):
    """Says that it used next to no CPU time."""

    share = 0.01

    def __init__(self, *arguments):
        super().__init__(*arguments)
        true = resource.getrusage
        share = self.share

        def told(who):
            used = true(who)
            return SimpleNamespace(ru_utime=share * used.ru_utime, ru_stime=share * used.ru_stime, ru_nivcsw=0)

        resource.getrusage = told


class BoastsOfCpu(HidesItsCpu):
    """Says that it used more of the processor than it did, to seem to make better use of it."""

    share = 3.0
