"""What is compared: each metric, its unit, which way is better, and by how much it may differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

from pytest_duet.errors import DuetError

UNITS = {"s": {"ms": 1e-3, "s": 1.0}, "B": {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}}
EXAMPLES = {"s": "5%, 1ms or 0.5s", "B": "5% or 2MiB"}
# Device memory by the subject's own account before NVML's, which also books what an allocator keeps for later.
DEVICE_SOURCES = (
    "allocator_peak_bytes",
    "nvml_process_peak_bytes",
    "allocator_reserved_bytes",
    "nvml_device_delta_peak_bytes",
)
MEMORY = "peak_memory_bytes"  # whose values are the ledger's, by the source that all rows have


@dataclass(frozen=True)
class Margin:
    """A difference that does not matter: up to this share of the old value, or up to this absolute one, if more."""

    share: float = 0.05
    absolute: float = 0.0

    def ratio(self, old: float) -> float:
        """Return the largest new/old that lies within."""
        return 1 + max(self.share, self.absolute / old)


@dataclass(frozen=True)
class Metric:
    """One quantity that every trial has a value of.

    :param unit: ``"s"``, ``"B"`` (bytes), or the metric's own; ``""`` for a share.
    :param better: which way is better; ``"same"`` for what may not differ at all, but for ``tolerance``: such a metric
        says whether both sides did the same work, and where they did not, the others mean nothing.
    :param tolerance: absolute, of a metric that has to stay the same.
    :param weight: its part of the run's probability of a false alarm, against the other metrics' weights.
    :param history: the default margin against history.
    :param against: the default margin against another environment in the same session.
    :param turns: whether it is the time that both sides take turns for.
    """

    name: str
    title: str
    unit: str
    better: Literal["lower", "higher", "same"] = "lower"
    tolerance: float = 0.0
    weight: float = 1.0
    history: Margin = Margin()
    against: Margin = Margin()
    turns: bool = False

    @property
    def exact(self) -> bool:
        """Whether it has to stay the same: no margin, no interval, no error to spend."""
        return self.better == "same"

    def agree(self, new: float, old: float) -> bool:
        """Tell whether two values of a metric that has to stay the same are the same, but for the tolerance."""
        return round(abs(new - old), 9) <= self.tolerance  # 0.7338 - 0.7333 is 0.0005 but for the last bit

    def worse(self, new: float, old: float) -> float:
        """Return the ratio that is above 1 where the new value is worse."""
        return old / new if self.better == "higher" else new / old

    def text(self, value: float | None) -> str:
        if value is None:
            return "-"
        if self.unit == "s":
            return f"{value:.3f} s" if value >= 0.1 else f"{value * 1e3:.3f} ms"
        return f"{value / 2**20:,.1f} MiB" if self.unit == "B" else f"{value:.4f} {self.unit}".rstrip()


@dataclass(frozen=True)
class Measured:
    """What a row keeps of a metric, so that whoever reads it needs to know nothing else.

    :param values: one for each trial; None where it is unknown.
    :param source: of the memory, a key of the ledger (:class:`pytest_duet.trials.trial.Memory`).
    """

    title: str
    unit: str = ""
    better: Literal["lower", "higher", "same"] = "lower"
    values: tuple[float | None, ...] = ()
    source: str = ""

    @classmethod
    def of(cls, metric: Metric, values: Iterable[float | None], source: str = "") -> Measured:
        return cls(metric.title, metric.unit, metric.better, tuple(values), source)

    @property
    def known(self) -> list[float] | None:
        """The values; None where one is missing, or is no positive number."""
        found = [value for value in self.values if value is not None and 0 < value < inf]
        return found if found and len(found) == len(self.values) else None


# What every subject has: the names are the plugin's own, and a suite may give others (``pytest_duet_metrics``).
DEFAULT = (
    Metric("seconds", "time", "s", weight=2, history=Margin(0.05, 1e-6), against=Margin(0.02, 1e-6), turns=True),
    Metric(MEMORY, "peak memory", "B", history=Margin(0.02, 2**20), against=Margin(0.02, 2**20)),
    Metric("first_seconds", "first round", "s", history=Margin(0.25, 0.5), against=Margin(0.25, 0.5)),
)


def memory_sources(device: str) -> tuple[str, ...]:
    """Return the lines of the ledger that peak memory is taken from, the first that is known; one order for all."""
    return ("host_peak_rss_bytes",) if device == "cpu" else DEVICE_SOURCES


def parse_margin(text: str, default: Margin, unit: str) -> Margin:
    """Return the margin that ``"5%"``, ``"1ms"`` or ``"5%,1ms"`` means; what is left out is the default's.

    :param unit: of the metric; a time in bytes, or the other way round, would make a gate that lets everything pass.
    :raises ValueError: for anything else.
    """
    share, absolute = default.share, default.absolute
    units = UNITS.get(unit, {"": 1.0})
    for part in text.split(","):
        found = re.fullmatch(rf"\s*(\d+(?:\.\d+)?)\s*(%|{'|'.join(units)})\s*", part)
        if not found:
            raise ValueError(f"{part.strip()!r} is no margin such as {EXAMPLES.get(unit, '5% or 0.5')}")
        number = float(found[1])
        if found[2] == "%":
            share = number / 100
        else:
            absolute = number * units[found[2]]
    return Margin(share, absolute)


def read_margins(
    texts: Iterable[str], defaults: Mapping[str, Margin], metrics: Mapping[str, Metric], where: str
) -> dict[str, Margin]:
    """Return the margins by metric that lines like ``"epoch_seconds=3%,1ms"`` change from the defaults.

    :raises DuetError: naming ``where`` the line was given.
    """
    margins = dict(defaults)
    for text in texts:
        name, _, margin = (part.strip() for part in text.partition("="))
        if name not in margins:
            raise DuetError(f"{where} {text!r}: {name!r} is none of {', '.join(margins)}.")
        try:
            margins[name] = parse_margin(margin, margins[name], metrics[name].unit)
        except ValueError as error:
            raise DuetError(f"{where} {text!r}: {error}.") from None
    return margins
