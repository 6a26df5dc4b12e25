"""What a saved run holds of a training beside the instrument's own row: ``extra_info`` without its key ``duet``.

Times are seconds, memory is bytes, shares are 0 to 1; None (``null``) is unknown. RESULTS.md documents each field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

SCHEMA = 3
OLD_NAMES = {"limit": "measured_peak", "limit_share": "peak_share"}  # of schema 1 and 2
OLD_LEDGER = {"context_floor_bytes": "context_overhead_bytes", "context_floor_source": "context_overhead_source"}


@dataclass(frozen=True)
class Threads:
    asked: int | None = None
    cores: Any = None  # a number, in older files a list
    framework: int | None = None


@dataclass(frozen=True)
class TrainedData:
    name: str = ""
    digest: str = ""
    train_images: int | None = None


@dataclass(frozen=True)
class Peak:
    """The best rates measured on a device; None where one was not."""

    flops_per_second: float | None = None
    engine: str | None = None
    precisions: dict[str, float | None] = field(default_factory=dict)
    copy_bytes_per_second: float | None = None
    engines: dict[str, str | None] = field(default_factory=dict)
    measured: str | None = None

    def rate(self, workload: dict[str, Any]) -> float | None:
        """Return the best rate of the products that a training is made of, in operations a second."""
        precision = workload.get("precision", "fp32")
        return self.flops_per_second if precision == "fp32" else self.precisions.get(precision)


@dataclass(frozen=True)
class Parity:
    """The largest errors against the oracle."""

    loss: float | None = None
    update: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True)
class DeviceTime:
    busy_seconds: float
    kernel_seconds: float
    copy_seconds: float
    profiled_seconds: float
    steps: int


@dataclass(frozen=True)
class TrainingRow:
    workload: dict[str, Any]
    dataset: TrainedData = TrainedData()
    draw: int = 0
    environment: str | None = None
    threads: Threads = Threads()
    cpu_only: str | None = None
    calls_per_step: float | None = None
    isolation: str = "process"
    workers: int = 1
    scheduling: str | None = None
    preallocate: bool = False
    steps_per_epoch: int | None = None
    whole_epochs: bool = True
    flops_per_epoch: float | None = None
    bytes_per_epoch: float | None = None
    measured_peak: Peak = Peak()
    epoch_seconds: float | None = None
    epoch_seconds_of_trials: tuple[float, ...] | None = None
    epoch_spread: float | None = None
    first_epoch_seconds: float | None = None
    import_seconds: float | None = None
    cpu_seconds: float | None = None
    steps_per_second: float | None = None
    images_per_second: float | None = None
    flops_per_second: float | None = None
    peak_share: float | None = None
    floor_seconds: float | None = None
    copy_share: float | None = None
    accuracy: float | None = None
    parity: Parity = Parity()
    context_overhead_bytes: float | None = None
    context_overhead_source: str | None = None
    gpu_energy_joules: float | None = None
    gpu_energy_error_joules: float | None = None
    gpu_idle_watts: float | None = None
    nvml_process_hidden: str | None = None
    device_time: DeviceTime | None = None
    device_time_missing: str | None = None
    device_busy_share: float | None = None
    trace: str | None = None

    @classmethod
    def from_json(cls, extra_info: Mapping[str, Any]) -> TrainingRow | None:
        """Return what a benchmark's ``extra_info`` says of a training; None where it is no such, or is damaged."""
        import msgspec  # whoever only measures does not need it

        if not isinstance(extra_info, dict) or "workload" not in extra_info:
            return None
        plain = {OLD_NAMES.get(name, name): value for name, value in extra_info.items()}
        if isinstance(plain.get("memory"), dict):  # of schema 1 and 2; today the ledger is the instrument's
            plain.update({new: plain["memory"].get(old) for old, new in OLD_LEDGER.items()})
        try:
            return msgspec.convert(plain, cls)
        except msgspec.ValidationError:
            return None

    @classmethod
    def trusted(cls, extra_info: Mapping[str, Any]) -> TrainingRow:
        """Return the same of what this session made, unchecked: :meth:`as_json` undone."""
        plain = {each.name: extra_info[each.name] for each in fields(cls)}
        parts = {"dataset": TrainedData, "threads": Threads, "measured_peak": Peak, "parity": Parity}
        plain.update({name: kind(**plain[name]) for name, kind in parts.items()})
        return cls(**plain)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
