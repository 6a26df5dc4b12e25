"""What NVIDIA's numbers and XLA's traces of its GPUs mean, for every framework that hands them on. Imports none."""

from __future__ import annotations

# A GPU's plane has a line for each stream; what other lines it may have repeat them, grouped by program or by name.
# XLA's profiler gives a stream's line the second name if a record of CUPTI's own overhead came to it.
PLANES = "/device:GPU:"
STREAMS = ("Stream", "CUPTI overhead")


def cuda_text(number):
    """Return CUDA's version, such as 12080 for 12.8, as text."""
    return f"{number // 1000}.{number % 1000 // 10}"


def cudnn_text(number):
    """Return cuDNN's version as text: 91002 is 9.10.2, and 8902, before release 9, is 8.9.2 (cudnn_version.h)."""
    major, rest = divmod(number, 10_000) if number >= 90_000 else divmod(number, 1_000)
    return f"{major}.{rest // 100}.{rest % 100}"


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
