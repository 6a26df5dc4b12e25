"""How long a GPU was really at work in an epoch, from what a framework's own profiler recorded of it."""

from __future__ import annotations

COPY, KERNEL = "copy", "kernel"


def device_time(activity, seconds, steps):
    """Return the fields of ``device_time``, which RESULTS.md explains.

    Kernels and copies may overlap, on streams of their own: the device is busy where either runs.

    :param activity: what :meth:`benchmarks.frameworks.trainer.Trainer.device_activity` gave.
    :param seconds: what the profiled steps took by the host's clock.
    :param steps: how many they were.
    """
    spans = {kind: [(start, stop) for found, start, stop in activity if found == kind] for kind in (KERNEL, COPY)}
    return {
        "busy_seconds": covered(spans[KERNEL] + spans[COPY]) / 1e9,
        "kernel_seconds": covered(spans[KERNEL]) / 1e9,
        "copy_seconds": covered(spans[COPY]) / 1e9,
        "profiled_seconds": seconds,
        "steps": steps,
    }


def covered(spans):
    """Return how much of the line is covered by ``[(start, stop), ...]``, however they overlap, in their unit."""
    total, reached = 0, None
    for start, stop in sorted(spans):
        if reached is None or start > reached:
            reached = start
        if stop > reached:
            total, reached = total + stop - reached, stop
    return total
