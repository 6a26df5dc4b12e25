"""What is compared: each metric, its unit, which way is better, and by how much it may differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Literal

from pytest_duet.record.margins import USUAL, Margin

# Device memory by the subject's own account before NVML's, which also books what an allocator keeps for later.
DEVICE_SOURCES = (
    "allocator_peak_bytes",
    "nvml_process_peak_bytes",
    "allocator_reserved_bytes",
    "nvml_device_delta_peak_bytes",
)
TIME_UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}
SHORT_SECONDS = 0.1  # what is shorter has a unit of its own
MEMORY = "peak_memory_bytes"  # whose values are the ledger's, by the source that all rows have


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
    :param own: whether it is one that single benchmarks have, and tell themselves.
    :param every_round: whether it is a number that every round tells, which the same program gives to the last bit:
        both sides are compared up to the first that differs, and only where --gate-metrics names it.
    """

    name: str
    title: str
    unit: str
    better: Literal["lower", "higher", "same"] = "lower"
    tolerance: float = 0.0
    weight: float = 1.0
    history: Margin = USUAL
    against: Margin = USUAL
    turns: bool = False
    own: bool = False
    every_round: bool = False

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
            return f"{value:.3f} s" if value >= SHORT_SECONDS else as_time(value)
        return f"{value / 2**20:,.1f} MiB" if self.unit == "B" else f"{value:.4f} {self.unit}".rstrip()


def as_time(seconds: float) -> str:
    """Return a time in words, to four digits."""
    unit, scale = next(((unit, scale) for unit, scale in TIME_UNITS.items() if seconds >= scale), ("ns", 1e-9))
    return f"{seconds / scale:#.4g} {unit}"


@dataclass(frozen=True)
class Measured:
    """What a row keeps of a metric, so that whoever reads it needs to know nothing else.

    :param values: one for each trial; None where it is unknown.
    :param expected: what they should be, where somebody knows: by it values of different draws are compared.
    :param source: of the memory, a key of the ledger (:class:`pytest_duet.trials.trial.Memory`).
    """

    title: str
    unit: str = ""
    better: Literal["lower", "higher", "same"] = "lower"
    values: tuple[float | None, ...] = ()
    source: str = ""
    expected: float | None = None

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
    Metric("seconds", "time", "s", weight=2, history=Margin(0.05, 1e-9), against=Margin(0.02, 1e-9), turns=True),
    Metric(MEMORY, "peak memory", "B", history=Margin(0.02, 2**20), against=Margin(0.02, 2**20)),
    Metric("first_seconds", "first round", "s", history=Margin(0.25, 0.001), against=Margin(0.25, 0.001)),
)


def memory_sources(device: str) -> tuple[str, ...]:
    """Return the lines of the ledger that peak memory is taken from, the first that is known; one order for all."""
    return ("host_peak_rss_bytes",) if device == "cpu" else DEVICE_SOURCES
