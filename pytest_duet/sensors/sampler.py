"""Samples memory and a GPU's state while a subject works, in a thread of pytest's process and not in the worker's."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Callable, Iterable, Optional, Sequence, Tuple, TypeVar

from pytest_duet.sensors.energy import sustained
from pytest_duet.sensors.family import IDLE_LOOK_SECONDS, LOOK_SECONDS, Family
from pytest_duet.sensors.gpu import POWER_CAP, Gpu
from pytest_duet.sensors.gpu_holders import Held, Holders

T = TypeVar("T")
Summary = Tuple[Optional[float], Optional[float]]  # the highest sample and the mean of all
INTERVAL_SECONDS = 0.1
COOLING_SECONDS = 60.0


@dataclass(frozen=True)
class Window:
    """What was seen between two looks. Each memory source has its highest sample and their mean, in bytes.

    The GPU's clock, in MHz, likewise. A source without a sample is ``(None, None)``.

    :param throttle_reasons: why the GPU clocked down, by NVML's names; None where nobody could tell.
    :param hidden: why NVML did not tell what it books on the process, in words, at the last sample.
    :param gpu_others: ids of other processes that computed on the GPU; None where NVML refuses to list any.
    :param gpu_energy_joules: what the GPU took between the looks, idle power included; None where it does not count.
    :param seconds: between the readings of that counter, or between the looks.
    """

    rss: Summary
    nvml_process: Summary
    nvml_device_delta: Summary
    throttle_reasons: frozenset[str] | None
    clock_mhz: Summary
    hidden: str | None = None
    gpu_others: frozenset[int] | None = None
    gpu_energy_joules: float | None = None
    seconds: float = 0.0


def memory_source(windows: Sequence[Window], on_gpu: bool) -> str | None:
    """Return the source of what a worker holds: the first that every one of its windows has; None without samples.

    On a GPU: NVML's for the process, else the device's delta, else the host's RSS; on a CPU the last alone. Windows of
    different sources must not be mixed.
    """
    for source in ("nvml_process", "nvml_device_delta", "host_rss") if on_gpu else ("host_rss",):
        if all(samples_of(window, source)[0] is not None for window in windows):
            return source
    return None


def samples_of(window: Window, source: str) -> Summary:
    """Return a window's highest sample and their mean, of a source that :func:`memory_source` gave."""
    summary: Summary = window.rss if source == "host_rss" else getattr(window, source)
    return summary


class MemorySampler:
    """Reads a worker's memory every ``interval_seconds``, its helpers' included, on the host and, if any, on a GPU.

    Create it before the worker starts: the GPU's memory in use then is what its delta is counted from. Use it as a
    context manager around the work.

    :param interval_seconds: between two samples; 0 takes none at all.
    :param idle_watts: what the GPU draws while nobody uses it, :func:`pytest_duet.sensors.energy.idle_watts`.
    :param now: the clock that energy is counted by, in seconds; ``sleep`` is to pass them.
    """

    def __init__(
        self,
        gpu: Gpu | None = None,
        interval_seconds: float = INTERVAL_SECONDS,
        idle_watts: float | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.gpu, self.interval_seconds, self.idle_watts = gpu, interval_seconds, idle_watts
        self._now, self._sleep = now, sleep
        self._holders = Holders(gpu) if gpu else None
        self.foreign_gpu_processes = self._holders.before if self._holders else None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._family: Family | None = None
        self._counted: tuple[float | None, float] = None, now()
        self._patience_seconds = COOLING_SECONDS
        self._clear()

    def _clear(self) -> None:
        sources = ("rss", "nvml_process", "nvml_device_delta", "clock_mhz")
        self._samples: dict[str, list[float]] = {name: [] for name in sources}
        self._throttle_reasons: frozenset[str] | None = None
        self._hidden: str | None = None
        self._gpu_others: frozenset[int] | None = None

    def watch(self, pid: int) -> MemorySampler:
        """Start sampling the worker ``pid``; returns the sampler, to be used as a context manager."""
        self._pid, self._family = pid, Family(pid)
        self._stop.clear()
        if self.interval_seconds:
            self._thread = threading.Thread(target=self._run, name="memory-sampler", daemon=True)
            self._thread.start()
        return self

    def __enter__(self) -> MemorySampler:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def look(self) -> Window:
        """Return what was seen since the last look, with one sample taken now, and begin the next."""
        energy = self._read_energy()  # before the sample, which takes its time and is no part of the work
        if self.interval_seconds:
            self._sample(IDLE_LOOK_SECONDS)
        with self._lock:
            window = Window(
                **{name: _summary(samples) for name, samples in self._samples.items()},
                throttle_reasons=self._throttle_reasons,
                hidden=self._hidden,
                gpu_others=self._gpu_others,
                gpu_energy_joules=_difference(self._counted[0], energy[0]),
                seconds=energy[1] - self._counted[1],
            )
            self._clear()
        self._counted = self._read_energy()
        return window

    def cool_down(self) -> None:
        """Wait while heat or a brake keeps the GPU's clocks down, for a minute of this sampler's life at the most: what
        is timed then would be thrown away."""
        while self.gpu and self.interval_seconds and self._patience_seconds > 0:
            if not set(self.gpu.throttle_reasons() or ()) - {POWER_CAP}:
                return
            self._sleep(1.0)
            self._patience_seconds -= 1.0

    def energy_of(self, work: Callable[[], T]) -> tuple[T, float, float] | None:
        """Have work done, and return what it gave, its energy and that one's error (:func:`sustained`); None where it
        was not done, or nobody can tell: without a counter or an idle power, or where others used the GPU meanwhile."""
        if self.gpu is None or self.idle_watts is None or not self.interval_seconds:
            return None
        self.look()
        found = sustained(self.gpu, self.idle_watts, work, self._now, self._sleep)
        others = self.look().gpu_others
        return None if others is None or others else found

    def held(self, pid: int) -> Held | None:
        """Return what a worker holds of the GPU now; None without a GPU."""
        helpers = self._family.helpers if self._family else frozenset()
        return self._holders.look(pid, helpers) if self._holders else None

    def _read_energy(self) -> tuple[float | None, float]:
        """Return the GPU's counter and the time; no counter where nothing is to be read."""
        joules = self.gpu.energy_joules() if self.gpu and self.interval_seconds else None
        return joules, self._now()

    def _run(self) -> None:
        while not self._stop.wait(self.interval_seconds):
            self._sample()

    def _sample(self, look_seconds: float = LOOK_SECONDS) -> None:
        seen: dict[str, float | None] = {"rss": self._family.memory_bytes(look_seconds) if self._family else None}
        held, reasons = self.held(self._pid), None
        if self.gpu and held:
            reasons = self.gpu.throttle_reasons()
            seen.update(nvml_process=held.process_bytes, nvml_device_delta=held.device_delta_bytes)
            seen["clock_mhz"] = self.gpu.clock_mhz()
        with self._lock:
            for name, value in seen.items():
                if value is not None:
                    self._samples[name].append(value)
            if held is not None:
                self._hidden = held.hidden
                self._gpu_others = _union(self._gpu_others, held.others)
            self._throttle_reasons = _union(self._throttle_reasons, reasons)


def _summary(samples: list[float]) -> Summary:
    return (max(samples), sum(samples) / len(samples)) if samples else (None, None)


def _union(known: frozenset[T] | None, found: Iterable[T] | None) -> frozenset[T] | None:
    """Return both sets as one; None stands for what nobody could tell."""
    return known if found is None else (known or frozenset()).union(found)


def _difference(before: float | None, after: float | None) -> float | None:
    """Return by how much a counter rose; None where it was not read, or was reset meanwhile."""
    return None if before is None or after is None or after < before else after - before
