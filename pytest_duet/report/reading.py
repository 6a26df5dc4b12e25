"""What a report reads of a row, in words or figures: all sections ask here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import TYPE_CHECKING, Any

from pytest_duet.record.row import Row, worst

if TYPE_CHECKING:
    from pytest_duet.report.saved_runs import Point

LARGEST = 2**63  # what is beyond all that is measured here is no figure
# Each memory source means something else.
SOURCES = {
    "nvml_process_peak_bytes": "GPU memory, NVML's for the process",
    "allocator_peak_bytes": "live arrays, by the allocator",
    "allocator_reserved_bytes": "the allocator's pool",
    "nvml_device_delta_peak_bytes": "GPU memory, device's increase",
    "host_peak_rss_bytes": "host memory, peak RSS",
}
Entry = tuple[Row, dict[str, Any]]  # a row, and the ``extra_info`` that it stands in


def conditions(its: Row | Point) -> dict[str, Any]:
    """Return what the page filters by."""
    return {"subject": its.subject, "device": its.device, "labels": its.labels}


def filters(shown: Mapping[str, Any]) -> dict[str, str]:
    """Return the same without levels, of whatever has the keys of :func:`conditions`."""
    return {**shown["labels"], "subject": shown["subject"], "device": shown["device"]}


def device_title(device: str) -> str:
    """Return a row's device as a heading has it."""
    return "CPU" if device == "cpu" else device.removeprefix("gpu:")


def group_title(row: Row) -> str:
    """Return what all rows of a group have in common, in words: device and work."""
    return "; ".join(filter(None, (device_title(row.device), row.work)))


def label(row: Row) -> str:
    """Return a row's labels in words."""
    return ", ".join(filter(None, row.labels.values()))


def versions(row: Row) -> str:
    """Return the versions of a row's subject and of what it stands on, in words."""
    parts = [f"{name} {version}" for name, version in row.versions.items()]
    return ", ".join([*parts, *([f"Python {row.python}"] if row.python else [])])


def times(row: Row) -> list[float]:
    """Return the seconds of a steady round, of each trial that has them."""
    return _positive(trial.seconds for trial in row.trials)


def seconds(row: Row) -> float | None:
    """Return their median."""
    return median(found) if (found := times(row)) else None


def first_seconds(row: Row) -> float | None:
    """Return the median of the first rounds."""
    found = _positive(trial.first_seconds for trial in row.trials)
    return median(found) if found else None


def memory(row: Row, source: str) -> float | None:
    """Return the highest of a source of the ledger over the trials, in bytes."""
    found: float | None = getattr(worst(trial.memory for trial in row.trials), source)
    return found


def _positive(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and 0 < value < LARGEST]
