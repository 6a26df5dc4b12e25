"""What one trial leaves behind, field by field.

Times are seconds, memory is bytes, shares are 0 to 1. None (``null`` in JSON) means that it could not be read here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Memory:
    """The ledger: sources side by side, since each means something else.

    :param host_peak_rss_bytes: most physical memory held while opening and working (Linux: VmHWM).
    :param host_average_rss_bytes: mean over the samples of the steady rounds.
    :param allocator_peak_bytes: most that the subject's live arrays took on the device, by its own account.
    :param allocator_reserved_bytes: the pool that its allocator holds, by its own account.
    :param nvml_process_peak_bytes: what NVML books on this process (context, libraries and pool), highest sample.
    :param nvml_process_average_bytes: the same, mean over the samples of the steady rounds.
    :param nvml_device_delta_peak_bytes: device memory in use above what it was before the worker started, highest.
    :param nvml_device_delta_average_bytes: the same, mean over the samples of the steady rounds.
    """

    host_peak_rss_bytes: int | None = None
    host_average_rss_bytes: float | None = None
    allocator_peak_bytes: int | None = None
    allocator_reserved_bytes: int | None = None
    nvml_process_peak_bytes: int | None = None
    nvml_process_average_bytes: float | None = None
    nvml_device_delta_peak_bytes: int | None = None
    nvml_device_delta_average_bytes: float | None = None


@dataclass(frozen=True)
class Round:
    """One round.

    :param number: the first is 1.
    :param seconds: wall time of its work, by the worker's own clock.
    :param cpu_seconds: CPU time of all the worker's threads meanwhile.
    :param involuntary_switches: how often the scheduler took a core from the worker meanwhile.
    :param lag_seconds: for how long the device worked on after the clock was stopped.
    :param metrics: the subject's own, by name; those of an examination too, where the round was examined.
    :param evidence: of correctness, right after the round; None where it was not examined. Not kept in the JSON.
    :param memory_peak_bytes: highest sample of the round, of ``memory_source``.
    :param memory_average_bytes: mean of the same samples.
    :param memory_source: ``nvml_process``, else ``nvml_device_delta``, else ``host_rss``, which a CPU's always is.
    :param gpu_clock_mhz: mean of the samples of the GPU's clock; None on a CPU, as is the next.
    :param gpu_throttle_reasons: why it clocked down, by NVML's names, in any of them.
    :param gpu_energy_joules: what the GPU took above its idle power; None on a CPU, where NVML does not count it, where
        others held the GPU, where the idle power is unknown, and where the counter did not move meanwhile.
    :param gpu_energy_window_seconds: the wall time that it was counted over, a little more than ``seconds``.
    """

    number: int
    seconds: float
    cpu_seconds: float
    involuntary_switches: int | None
    lag_seconds: float | None
    metrics: dict[str, float]
    evidence: dict[str, Any] | None = field(default=None, repr=False)
    memory_peak_bytes: float | None = None
    memory_average_bytes: float | None = None
    memory_source: str | None = None
    gpu_clock_mhz: float | None = None
    gpu_throttle_reasons: list[str] | None = None
    gpu_energy_joules: float | None = None
    gpu_energy_window_seconds: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the record as the JSON keeps it, by the names that saved runs have."""
        plain: dict[str, Any] = {}
        for name, value in asdict(replace(self, evidence=None)).items():
            if name == "number":
                plain["epoch"] = value
            elif name == "metrics":
                plain.update({"loss": None, "accuracy": None, **value})
            elif name != "evidence":  # kilobytes that only the check of correctness reads
                plain[name] = value
        return plain


@dataclass(frozen=True)
class Disturbance:
    """What others did to the machine during the rounds of a trial.

    :param foreign_cores: CPU seconds that others than the worker, its helpers and pytest used on the cores that pytest
        may use, and those that a hypervisor stole there, per second of wall time.
    :param steal_cores: the stolen part of it.
    :param gpu_throttle_reasons: why the GPU clocked down, by NVML's names, whenever a sample saw it.
    :param foreign_gpu_processes: process ids that held the GPU's memory before the worker started.
    :param reasons: in words, what exceeds the stated thresholds; empty for a valid trial.
    """

    foreign_cores: float | None
    steal_cores: float | None
    gpu_throttle_reasons: list[str] | None
    foreign_gpu_processes: list[int] | None
    reasons: list[str]


@dataclass(frozen=True)
class Trial:
    """One fresh process, from start to end: the unit of evidence.

    :param import_seconds: importing what the subject stands on.
    :param build_seconds: building it.
    :param rounds: all of them, the first included.
    :param attempt: 1, or more where earlier ones were disturbed.
    :param nvml_process_hidden: why NVML did not tell what it books on the process, in words; None where it did, and on
        a CPU, as are the next.
    :param gpu_idle_watts: what the GPU drew at the session's start, with nobody on it.
    :param gpu_energy_joules: mean energy above idle per steady round.
    """

    import_seconds: float
    build_seconds: float
    rounds: list[Round]
    memory: Memory
    disturbance: Disturbance
    attempt: int = 1
    nvml_process_hidden: str | None = None
    gpu_idle_watts: float | None = None
    gpu_energy_joules: float | None = None

    @property
    def first_round_seconds(self) -> float:
        """Compile and warm-up included."""
        return self.rounds[0].seconds

    @property
    def steady(self) -> list[Round]:
        """All rounds but the first."""
        return self.rounds[1:]

    @property
    def round_seconds(self) -> float:
        """Median of the steady rounds."""
        return median(each.seconds for each in self.steady)

    @property
    def disturbed(self) -> bool:
        return bool(self.disturbance.reasons)

    def as_dict(self) -> dict[str, Any]:
        """Return the record as the JSON keeps it, by the names that saved runs have."""
        plain = asdict(replace(self, rounds=[]))
        return {
            **{"epochs" if name == "rounds" else name: value for name, value in plain.items()},
            "epochs": [each.as_dict() for each in self.rounds],
            "first_epoch_seconds": self.first_round_seconds,
            "epoch_seconds": self.round_seconds,
        }
