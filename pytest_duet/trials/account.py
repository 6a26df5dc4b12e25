"""From what was read while a trial ran to what is kept of it: its memory, and what disturbed it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pytest_duet.sensors.foreign_load import Load
from pytest_duet.sensors.gpu import POWER_CAP
from pytest_duet.sensors.sampler import Window
from pytest_duet.trials.trial import Disturbance, Memory
from pytest_duet.workers.protocol import Reading, Timed

PEAK_TIMES, PEAK_BYTES = 1.02, 16 * 2**20  # a sample may fall into the checks after a round


def mean_metrics(parts: Sequence[Timed]) -> dict[str, float]:
    """Return the metrics of a round, each the mean over its parts, weighed by how much work each was."""
    work = sum(part.work for part in parts)
    return {name: sum(part.metrics[name] * part.work for part in parts) / work for name in parts[0].metrics}


def ledger(readings: Sequence[Reading], windows: Sequence[Window], on_gpu: bool) -> Memory:
    """Return a trial's memory from what the worker said and what the sampler saw, round by round."""
    steady = windows[1:]
    found = Memory(
        host_peak_rss_bytes=_host_peak(
            highest(reading.host_peak_rss_bytes for reading in readings), highest(window.rss[0] for window in windows)
        ),
        host_average_rss_bytes=mean(window.rss[1] for window in steady),
        allocator_peak_bytes=highest(reading.allocator_peak_bytes for reading in readings),
        allocator_reserved_bytes=highest(reading.allocator_reserved_bytes for reading in readings),
    )
    if not on_gpu:
        return found  # the GPU's memory is not this subject's
    return replace(
        found,
        nvml_process_peak_bytes=highest(window.nvml_process[0] for window in windows),
        nvml_process_average_bytes=mean(window.nvml_process[1] for window in steady),
        nvml_device_delta_peak_bytes=highest(window.nvml_device_delta[0] for window in windows),
        nvml_device_delta_average_bytes=mean(window.nvml_device_delta[1] for window in steady),
    )


def _host_peak(told: float | None, seen: float | None) -> float | None:
    """Return the worker's own peak, which no sample misses; what was seen, where that is more than its word explains.

    It is so where helpers hold memory, of which the worker knows nothing; and where its word is not to be trusted.
    """
    if told is None or seen is None or seen <= PEAK_TIMES * told + PEAK_BYTES:
        return told
    return seen


def disturbance(
    loads: Sequence[Load | None], windows: Sequence[Window], gpu_processes: list[int] | None, max_foreign_cores: float
) -> Disturbance:
    """Return what others did meanwhile.

    :param loads: of each timed part; one that is None is unknown, and then so is their sum.
    :param gpu_processes: those that held the GPU before.
    """
    foreign = steal = None
    known = [load for load in loads if load is not None]
    if len(known) == len(loads):
        wall = sum(load.seconds for load in known)
        foreign = max(0.0, sum(load.foreign_seconds for load in known) / wall)
        steal = sum(load.stolen_seconds for load in known) / wall
    throttling = throttle_reasons(windows)
    reasons = []
    if foreign is not None and foreign > max_foreign_cores:
        reasons.append(f"others used {foreign:.2f} cores meanwhile (limit {max_foreign_cores:g})")
    if throttling and set(throttling) - {POWER_CAP}:
        reasons.append(f"the GPU was throttled: {', '.join(throttling)}")
    if gpu_processes:
        reasons.append(f"other processes held the GPU: {', '.join(map(str, gpu_processes))}")
    return Disturbance(
        foreign, steal, throttling, None if gpu_processes is None else tuple(gpu_processes), tuple(reasons)
    )


def throttle_reasons(windows: Sequence[Window]) -> tuple[str, ...] | None:
    """Return all reasons why the GPU clocked down, sorted; None where nobody could tell."""
    known = [window.throttle_reasons for window in windows if window.throttle_reasons is not None]
    return tuple(sorted({reason for reasons in known for reason in reasons})) if known else None


def highest(values: Iterable[float | None]) -> Any:
    """Return the highest value that is known, None where none is; an int where they are."""
    return max((value for value in values if value is not None), default=None)


def mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
