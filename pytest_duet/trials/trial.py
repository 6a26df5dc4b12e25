"""What one trial leaves behind: the records that ``extra_info["trials"]`` holds, field by field.

Times are seconds, memory is bytes, shares are 0 to 1. None (``null`` in JSON) means that it could not be read here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median


@dataclass(frozen=True)
class Memory:
    """The ledger: sources side by side, since each means something else.

    :param host_peak_rss_bytes: most physical memory held while importing, building and training (Linux: VmHWM).
    :param host_average_rss_bytes: mean over the samples of the steady epochs.
    :param allocator_peak_bytes: most that the framework's live arrays took on the device, by its own account.
    :param allocator_reserved_bytes: the pool that the framework's allocator holds, by its own account.
    :param nvml_process_peak_bytes: what NVML books on this process (context, libraries and pool), highest sample.
    :param nvml_process_average_bytes: the same, mean over the samples of the steady epochs.
    :param nvml_device_delta_peak_bytes: device memory in use above what it was before the worker started, highest.
    :param nvml_device_delta_average_bytes: the same, mean over the samples of the steady epochs.
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
class Epoch:
    """One epoch.

    :param epoch: the first is 1.
    :param seconds: wall time of ``train_epoch``, by the worker's own clock.
    :param cpu_seconds: CPU time of all the worker's threads meanwhile.
    :param involuntary_switches: how often the scheduler took a core from the worker meanwhile.
    :param lag_seconds: for how long the device worked on after the clock was stopped.
    :param loss: mean training loss.
    :param accuracy: on the test images, right after the epoch; None where it was not examined.
    :param update: sketches of parameters - initial (:mod:`benchmarks.workload.sketch`), likewise; not kept in the JSON.
    :param memory_peak_bytes: highest sample of the epoch, of ``memory_source``.
    :param memory_average_bytes: mean of the same samples.
    :param memory_source: ``nvml_process``, else ``nvml_device_delta``, else ``host_rss``, which a CPU's always is.
    :param gpu_clock_mhz: mean of the samples of the GPU's clock; None on a CPU, as is the next.
    :param gpu_throttle_reasons: why it clocked down, by NVML's names, in any of them.
    :param gpu_energy_joules: what the GPU took above its idle power; None on a CPU, where NVML does not count it, where
        others held the GPU, where the idle power is unknown, and where the counter did not move meanwhile.
    :param gpu_energy_window_seconds: the wall time that it was counted over, a little more than ``seconds``.
    """

    epoch: int
    seconds: float
    cpu_seconds: float
    involuntary_switches: int | None
    lag_seconds: float
    loss: float
    accuracy: float | None = None
    update: list | None = field(default=None, repr=False)
    memory_peak_bytes: float | None = None
    memory_average_bytes: float | None = None
    memory_source: str | None = None
    gpu_clock_mhz: float | None = None
    gpu_throttle_reasons: list | None = None
    gpu_energy_joules: float | None = None
    gpu_energy_window_seconds: float | None = None


@dataclass(frozen=True)
class Disturbance:
    """What others did to the machine while the epochs of a trial were trained.

    :param foreign_cores: CPU seconds that others than the worker, its helpers and pytest used on the cores that pytest
        may use, and those that a hypervisor stole there, per second of wall time.
    :param steal_cores: the stolen part of it.
    :param gpu_throttle_reasons: why the GPU clocked down, by NVML's names, whenever a sample saw it.
    :param foreign_gpu_processes: process ids that held the GPU's memory before the worker started.
    :param reasons: in words, what exceeds the stated thresholds; empty for a valid trial.
    """

    foreign_cores: float | None
    steal_cores: float | None
    gpu_throttle_reasons: list | None
    foreign_gpu_processes: list | None
    reasons: list


@dataclass(frozen=True)
class Trial:
    """One fresh process, from start to end: the unit of evidence.

    :param import_seconds: importing the framework.
    :param build_seconds: building the trainer.
    :param epochs: all of them, the first included.
    :param attempt: 1, or more where earlier ones were disturbed.
    :param nvml_process_hidden: why NVML did not tell what it books on the process, in words; None where it did, and on
        a CPU, as are the next.
    :param gpu_idle_watts: what the GPU drew at the session's start, with nobody on it.
    :param gpu_energy_joules: above that, in a steady epoch: all of theirs over their number.
    """

    import_seconds: float
    build_seconds: float
    epochs: list
    memory: Memory
    disturbance: Disturbance
    attempt: int = 1
    nvml_process_hidden: str | None = None
    gpu_idle_watts: float | None = None
    gpu_energy_joules: float | None = None

    @property
    def first_epoch_seconds(self):
        """Compile and warm-up included."""
        return self.epochs[0].seconds

    @property
    def rounds(self):
        """The steady epochs: all but the first."""
        return self.epochs[1:]

    @property
    def epoch_seconds(self):
        """Median of the steady epochs."""
        return median(epoch.seconds for epoch in self.rounds)

    @property
    def disturbed(self):
        return bool(self.disturbance.reasons)

    def as_dict(self):
        """Return the record as the JSON keeps it."""
        plain = asdict(self)
        for epoch in plain["epochs"]:
            del epoch["update"]  # kilobytes that only the parity check reads
        return dict(plain, first_epoch_seconds=self.first_epoch_seconds, epoch_seconds=self.epoch_seconds)
