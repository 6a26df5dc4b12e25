"""What one trial leaves behind: the records that a saved row holds, field by field.

Times are seconds, memory is bytes, shares are 0 to 1. None (``null`` in JSON) means that it could not be read here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Memory:
    """The ledger: sources side by side, since each means something else.

    :param host_peak_rss_bytes: most physical memory held while importing, building and working (Linux: VmHWM).
    :param host_average_rss_bytes: mean over the samples of the steady rounds, as are the other averages.
    :param allocator_peak_bytes: most that the subject's live arrays took on the device, by its own account.
    :param allocator_reserved_bytes: the pool that the subject's allocator holds, by its own account.
    :param nvml_process_peak_bytes: what NVML books on this process (context, libraries and pool), highest sample.
    :param nvml_device_delta_peak_bytes: device memory in use above what it was before the worker started, highest.
    """

    host_peak_rss_bytes: float | None = None
    host_average_rss_bytes: float | None = None
    allocator_peak_bytes: float | None = None
    allocator_reserved_bytes: float | None = None
    nvml_process_peak_bytes: float | None = None
    nvml_process_average_bytes: float | None = None
    nvml_device_delta_peak_bytes: float | None = None
    nvml_device_delta_average_bytes: float | None = None


class Part(NamedTuple):
    """The steps of a round from ``first`` up to ``stop``, None for its end, that were done at once; their metrics."""

    first: int
    stop: int | None
    metrics: dict[str, float]


@dataclass(frozen=True)
class Round:
    """One round of a trial's work; :class:`pytest_duet.workers.protocol.Timed` explains what both have.

    :param evidence: of correctness, right after it; not kept in the JSON, nor are the parts that it was done in.
    :param audited: whether it was cut at places that nobody could know before; then its time is not a steady round's.
    :param call_seconds: by the measurer's clock, from each request for a part of it to the reply.
    :param untimed_seconds: of those, what the worker did not time, and what its account took.
    :param untimed_cpu_seconds: what all threads of the worker used since the round before beyond ``cpu_seconds``, by
        the kernel's count; None where that tells nobody, and where the subject has no process of its own.
    :param helpers_cpu_seconds: what the worker's helpers used during those calls, the other processes of its session.
    :param memory_peak_bytes: highest sample of the round, of ``memory_source``; the average is of the same samples.
    :param memory_source: ``nvml_process``, else ``nvml_device_delta``, else ``host_rss``, which a CPU's always is.
    :param gpu_clock_mhz: mean of the samples of the GPU's clock; None on a CPU, as is the next.
    :param gpu_throttle_reasons: why it clocked down, by NVML's names, in any of them.
    :param gpu_energy_joules: what the GPU took above its idle power; None on a CPU, where NVML does not count it, where
        others held the GPU, where the idle power is unknown, and where the counter did not move meanwhile.
    :param gpu_energy_window_seconds: the wall time that it was counted over, a little more than ``seconds``.
    """

    number: int
    seconds: float
    cpu_seconds: float | None = None
    involuntary_switches: int | None = None
    lag_seconds: float | None = None
    driver_lag_seconds: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    evidence: dict[str, Any] | None = field(default=None, repr=False)
    parts: tuple[Part, ...] = field(default=(), repr=False)
    audited: bool = False
    call_seconds: float | None = None
    untimed_seconds: float | None = None
    untimed_cpu_seconds: float | None = None
    helpers_cpu_seconds: float | None = None
    memory_peak_bytes: float | None = None
    memory_average_bytes: float | None = None
    memory_source: str | None = None
    gpu_clock_mhz: float | None = None
    gpu_throttle_reasons: tuple[str, ...] | None = None
    gpu_energy_joules: float | None = None
    gpu_energy_window_seconds: float | None = None


@dataclass(frozen=True)
class Disturbance:
    """What others did to the machine while the rounds of a trial ran.

    :param foreign_cores: CPU seconds that others than the worker, its helpers and pytest used on the cores that pytest
        may use, and those that a hypervisor stole there, per second of wall time.
    :param steal_cores: the stolen part of it.
    :param gpu_throttle_reasons: why the GPU clocked down, by NVML's names, whenever a sample saw it.
    :param foreign_gpu_processes: process ids that held the GPU's memory before the worker started.
    :param reasons: in words, what exceeds the stated thresholds; empty for a valid trial.
    """

    foreign_cores: float | None = None
    steal_cores: float | None = None
    gpu_throttle_reasons: tuple[str, ...] | None = None
    foreign_gpu_processes: tuple[int, ...] | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """One fresh process, from start to end: the unit of evidence.

    :param seconds: median of the steady rounds, all but the first.
    :param first_seconds: of the first round, compile and warm-up included.
    :param rounds: all of them, the first included.
    :param attempt: 1, or more where earlier ones were thrown away.
    :param started_at: Unix time, in seconds.
    :param clocks_replaced: the functions of :mod:`time` that the subject had replaced by its end.
    :param secluded: whether the worker could write to no place that outlives it; None where nobody could tell.
    :param nvml_process_hidden: why NVML did not tell what it books on the process, in words; None where it did, and on
        a CPU, as are the next.
    :param sustained_seconds: what a round took, on average, of those that were done back to back after all others for
        three seconds or more; None where none were.
    :param gpu_idle_watts: what the GPU drew at the session's start, with nobody on it.
    :param gpu_energy_joules: mean energy above idle of a round: of those that were done back to back for it, for three
        seconds or more; else of the steady ones, and then nobody knows the error.
    :param gpu_energy_error_joules: by how much that may be off, for the counter's and the idle power's sake.
    """

    memory: Memory
    seconds: float | None = None
    first_seconds: float | None = None
    import_seconds: float | None = None
    build_seconds: float | None = None
    rounds: tuple[Round, ...] = ()
    disturbance: Disturbance = Disturbance()
    attempt: int = 1
    started_at: float | None = None
    clocks_replaced: tuple[str, ...] = ()
    secluded: bool | None = None
    nvml_process_hidden: str | None = None
    sustained_seconds: float | None = None
    gpu_idle_watts: float | None = None
    gpu_energy_joules: float | None = None
    gpu_energy_error_joules: float | None = None

    @property
    def steady(self) -> tuple[Round, ...]:
        return tuple(each for each in self.rounds[1:] if not each.audited)

    @property
    def disturbed(self) -> bool:
        return bool(self.disturbance.reasons)

    def as_json(self) -> dict[str, Any]:
        plain = asdict(self)
        for one in plain["rounds"]:
            del one["evidence"], one["parts"]  # kilobytes that only the check reads
        return plain
