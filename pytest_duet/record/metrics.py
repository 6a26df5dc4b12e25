"""What the gate judges: each metric, where a row keeps it, and by how much it may differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf

from pytest_duet.errors import DuetError

UNITS = {"s": {"ms": 1e-3, "s": 1.0}, "B": {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}}
# Device memory by the framework's own account before NVML's, which also books what an allocator keeps for later.
DEVICE_SOURCES = (
    "allocator_peak_bytes",
    "nvml_process_peak_bytes",
    "allocator_reserved_bytes",
    "nvml_device_delta_peak_bytes",
)


@dataclass(frozen=True)
class Margin:
    """A difference that does not matter: up to this share of the old value, or up to this absolute one, if more."""

    share: float
    absolute: float

    def ratio(self, was):
        """Return the largest new/old that lies within."""
        return 1 + max(self.share, self.absolute / was)


@dataclass(frozen=True)
class Metric:
    """One quantity of a trial; more of it is worse.

    :param title: for people.
    :param unit: ``"s"`` or ``"B"``.
    :param error_share: its part of the whole run's family-wise error; they add up to 1.
    :param history: the default :class:`Margin` against history.
    :param against: the default :class:`Margin` against another environment in the same session.
    """

    title: str
    unit: str
    error_share: float
    history: Margin
    against: Margin


METRICS = {
    "epoch_seconds": Metric("epoch time", "s", 0.5, Margin(0.05, 1e-3), Margin(0.02, 1e-3)),
    "peak_memory_bytes": Metric("peak memory", "B", 0.25, Margin(0.02, 2**20), Margin(0.02, 2**20)),
    "first_epoch_seconds": Metric("first epoch", "s", 0.25, Margin(0.25, 0.5), Margin(0.25, 0.5)),
}
ACCURACY = "accuracy"  # judged by the parity rule, exactly: no margin, no interval, no error to spend
ACCURACY_DIFFERENCE = 0.001  # between two runs: 5 of 10,000 images on either side of the right one


def values(row, metric, source=None):
    """Return a metric's value in each trial of a row; None where one of them lacks it.

    :param row: a benchmark's ``extra_info``.
    :param source: of the memory, from :func:`memory_source`.
    """
    if metric == "peak_memory_bytes":
        found = [trial["memory"].get(source) for trial in row["trials"]]
    else:
        found = [trial.get(metric) for trial in row["trials"]]
    return found if found and all(value is not None and 0 < value < inf for value in found) else None


def memory_sources(device: str) -> tuple[str, ...]:
    """Return the sources of peak memory on a device, the one that says most about a subject first."""
    return ("host_peak_rss_bytes",) if device == "cpu" else DEVICE_SOURCES


def memory_source(*rows, shared=False):
    """Return the first source of peak memory that every trial of all rows has; None if there is none.

    :param shared: whether both sides had the device at the same time: then what it holds altogether says nothing.
    """
    for source in memory_sources(rows[0]["device"]):
        if shared and source.startswith("nvml_device"):
            continue
        if all(values(row, "peak_memory_bytes", source) for row in rows):
            return source
    return None


def parse_margin(text, default, unit):
    """Return the :class:`Margin` that ``"5%"``, ``"1ms"`` or ``"5%,1ms"`` means; what is left out is the default's.

    :param unit: of the metric; a time in bytes, or the other way round, would make a gate that lets everything pass.
    :raises ValueError: for anything else.
    """
    share, absolute = default.share, default.absolute
    for part in text.split(","):
        found = re.fullmatch(rf"\s*(\d+(?:\.\d+)?)\s*(%|{'|'.join(UNITS[unit])})\s*", part)
        if not found:
            examples = {"s": "5%, 1ms or 0.5s", "B": "5% or 2MiB"}
            raise ValueError(f"{part.strip()!r} is no margin such as {examples[unit]}")
        number = float(found[1])
        if found[2] == "%":
            share = number / 100
        else:
            absolute = number * UNITS[unit][found[2]]
    return Margin(share, absolute)


def read_margins(texts, defaults, where):
    """Return the margins by metric that lines like ``"epoch_seconds=3%,1ms"`` change from the defaults.

    :raises DuetError: naming ``where`` the line was given.
    """
    margins = dict(defaults)
    for text in texts:
        name, _, margin = (part.strip() for part in text.partition("="))
        if name not in margins:
            raise DuetError(f"{where} {text!r}: {name!r} is none of {', '.join(margins)}.")
        try:
            margins[name] = parse_margin(margin, margins[name], METRICS[name].unit)
        except ValueError as error:
            raise DuetError(f"{where} {text!r}: {error}.") from None
    return margins
