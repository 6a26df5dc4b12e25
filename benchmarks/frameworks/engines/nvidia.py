"""What XLA's traces of NVIDIA's GPUs mean, for every framework that hands them on. Imports none."""

from __future__ import annotations

# A GPU's plane has a line for each stream; what other lines it may have repeat them, grouped by program or by name.
# XLA's profiler gives a stream's line the second name if a record of CUPTI's own overhead came to it.
PLANES = "/device:GPU:"
STREAMS = ("Stream", "CUPTI overhead")


def kind_of(event):
    """Return ``"copy"`` for an event that copies or fills memory, by its name, else ``"kernel"``."""
    return "copy" if event.lower().startswith(("memcpy", "memset")) else "kernel"


def activity(events, planes=PLANES, lines=STREAMS):
    """Yield what :meth:`Trainer.device_activity` is to return, of an XLA profile's events.

    :param events: plane, line, name, start and stop of each.
    :param planes: what the names of the planes that count begin with; ``lines`` likewise.
    """
    for plane, line, name, start, stop in events:
        if plane.startswith(planes) and line.startswith(lines) and "overhead" not in name.lower():
            yield kind_of(name), start, stop
