"""The energy that a GPU took for some work: its counter, less what it would have taken idle."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Callable, Sequence, TypeVar

from pytest_duet.sensors.gpu import Gpu

if TYPE_CHECKING:
    from pytest_duet.sensors.sampler import Window

IDLE_SECONDS = 1.0
IDLE_WINDOWS = 10
SETTLED = 0.98
PATIENCE_SECONDS = 1.0  # NVML's counter moves some ten times a second
POLL_SECONDS = 0.002
POWER_READINGS = 20
SUSTAINED_SECONDS = 3.0  # of work whose energy is counted at once: thirty steps of the counter
T = TypeVar("T")
LEAST_WORKED = 0.5  # of the time that the counter was read over: of a shorter round, most of the figure is not its own


def idle_watts(
    gpu: Gpu | None, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> float | None:
    """Return what a GPU draws while nobody uses it; None where somebody may be using it, or NVML does not say.

    Somebody may where NVML lists one who holds it, refuses to list any, or lists none, as in a container, and tells
    that the GPU was busy meanwhile.

    To be measured once a session, before its first worker on the GPU. A card that was just busy keeps its clocks for
    seconds and its heat for minutes: measured before each trial, the idle figure would depend on the previous subject.
    So all rows have the same subtracted, and the card is waited for: second by second, for ten at the most, until it
    draws no less than in the second before.

    :param now: the clock, in seconds; ``sleep`` is to pass them.
    """
    holders = None if gpu is None else gpu.holders()
    if gpu is None or holders is None or set(holders) - {os.getpid()}:
        return None
    lowest = None
    for _ in range(IDLE_WINDOWS):
        watts = _by_counter(gpu, now, sleep)
        if watts is None:
            watts = _by_power(gpu, sleep)
        if watts is None or (not holders and (gpu.busy_percent() or 0) > 0):
            return None
        if lowest is not None and watts > SETTLED * lowest:
            return min(lowest, watts)
        lowest = watts
    return lowest


def used_joules(windows: Sequence[Window], idle: float | None, worked_seconds: float) -> float | None:
    """Return the energy that the GPU took in some windows above ``idle`` watts, in joules; None where nobody can tell.

    That is where a window's is unknown, where others held the GPU meanwhile or may have, where the counter did not move
    at all (it is coarse, and a round may be shorter than its step), or where most of the windows' time is no work.

    :param worked_seconds: how long the subject worked in all of them.
    """
    found = [window.gpu_energy_joules for window in windows if window.gpu_energy_joules is not None]
    if idle is None or len(found) < len(windows) or not sum(found) > 0:
        return None
    if any(window.gpu_others is None or window.gpu_others for window in windows):
        return None
    seconds = sum(window.seconds for window in windows)
    return None if worked_seconds < LEAST_WORKED * seconds else sum(found) - idle * seconds


def sustained(
    gpu: Gpu, idle: float, work: Callable[[], T], now: Callable[[], float], sleep: Callable[[float], None]
) -> tuple[T, float, float] | None:
    """Have some work done, and return what it gave, the energy that the GPU took for it above ``idle`` watts, and how
    far that may be off, both in joules; None where the counter does not move, before or after it.

    It is read where it moves: what it adds in one step, a tenth of a second's power, is then in neither end. What is
    left is when exactly it moved, which is looked for every 2 ms, and the idle power, which may not have settled.
    """
    start = _next_step(gpu, now, sleep)
    if start is None:
        return None
    given = work()
    end = _next_step(gpu, now, sleep)
    if end is None:
        return None
    joules, seconds = end[0] - start[0], end[1] - start[1]
    error = 2 * POLL_SECONDS * joules / seconds + (1 - SETTLED) * idle * seconds
    return given, joules - idle * seconds, error


def _by_counter(gpu: Gpu, now: Callable[[], float], sleep: Callable[[float], None]) -> float | None:
    """Return mean watts between two steps of the counter, so that its coarseness does not matter; or None."""
    start = _next_step(gpu, now, sleep)
    if start is None:
        return None
    sleep(IDLE_SECONDS)
    end = _next_step(gpu, now, sleep)
    return None if end is None else (end[0] - start[0]) / (end[1] - start[1])


def _next_step(gpu: Gpu, now: Callable[[], float], sleep: Callable[[float], None]) -> tuple[float, float] | None:
    """Return joules and time at which the counter moves next; None where there is none, or it does not."""
    before, deadline = gpu.energy_joules(), now() + PATIENCE_SECONDS
    while before is not None and now() < deadline:
        joules = gpu.energy_joules()
        if joules is None:
            return None
        if joules > before:
            return joules, now()
        sleep(POLL_SECONDS)
    return None


def _by_power(gpu: Gpu, sleep: Callable[[float], None]) -> float | None:
    total = 0.0
    for _ in range(POWER_READINGS):
        watts = gpu.power_watts()
        if watts is None:
            return None
        total += watts
        sleep(IDLE_SECONDS / POWER_READINGS)
    return total / POWER_READINGS
