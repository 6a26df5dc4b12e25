"""What an NVIDIA GPU did, from what a framework's own profiler recorded of it, and for how long. Imports none."""

from __future__ import annotations

# A GPU's plane has a line for each stream; what other lines it may have repeat them, grouped by program or by name.
# XLA's profiler gives a stream's line the second name if a record of CUPTI's own overhead came to it.
PLANES = "/device:GPU:"
STREAMS = ("Stream", "CUPTI overhead")
COPY, KERNEL = "copy", "kernel"


def kind_of(event):
    """Return ``"copy"`` for an event that copies or fills memory, by its name, else ``"kernel"``."""
    return COPY if event.lower().startswith(("memcpy", "memset")) else KERNEL


def activity(events, planes=PLANES, lines=STREAMS):
    """Yield what :meth:`Trainer.device_activity` is to return, of an XLA profile's events.

    :param events: plane, line, name, start and stop of each.
    :param planes: what the names of the planes that count begin with; ``lines`` likewise.
    """
    for plane, line, name, start, stop in events:
        if plane.startswith(planes) and line.startswith(lines) and "overhead" not in name.lower():
            yield kind_of(name), start, stop


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
