"""Samples memory while a trainer works, from a thread of pytest's process, so that the trainer's own is left alone."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from benchmarks.measure.memory import rss_bytes

INTERVAL_SECONDS = 0.1


@dataclass(frozen=True)
class Window:
    """The samples between two looks: the highest and the mean of each source, in bytes; None without a sample.

    The GPU's clock, in MHz, likewise.
    """

    rss: tuple
    nvml_process: tuple
    nvml_device_delta: tuple
    throttle_reasons: frozenset | None  # None: nobody could tell
    clock_mhz: tuple

    @property
    def best(self):
        """The source that says most about the device: NVML's for the process, else its device delta, else RSS."""
        for source in (self.nvml_process, self.nvml_device_delta, self.rss):
            if source[0] is not None:
                return source
        return (None, None)


class MemorySampler:
    """Reads one process's memory every ``interval_seconds``, on the host and, where there is one, on a GPU.

    Create it before the worker starts: the GPU's memory in use then is what its delta is counted from. Use it as a
    context manager around the work.

    :param gpu: a :class:`benchmarks.measure.gpu.Gpu`, or None.
    :param interval_seconds: between two samples; 0 takes none at all.
    """

    def __init__(self, gpu=None, interval_seconds=INTERVAL_SECONDS):
        self.gpu = gpu
        self.interval_seconds = interval_seconds
        self.device_before_bytes = gpu.used_bytes() if gpu else None
        holders = gpu.process_ids() if gpu else None
        self.foreign_gpu_processes = None if holders is None else [pid for pid in holders if pid != os.getpid()]
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = None
        self._clear()

    def watch(self, pid):
        """Start sampling process ``pid``; returns the sampler, to be used as a context manager."""
        self._pid = pid
        self._stop.clear()
        if self.interval_seconds:
            self._thread = threading.Thread(target=self._run, name="memory-sampler", daemon=True)
            self._thread.start()
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def look(self):
        """Return the :class:`Window` since the last look, with one sample taken now, and begin the next."""
        if self.interval_seconds:
            self._sample()
        with self._lock:
            window = Window(
                rss=_summary(self._rss),
                nvml_process=_summary(self._nvml_process),
                nvml_device_delta=_summary(self._nvml_device_delta),
                throttle_reasons=self._throttle_reasons,
                clock_mhz=_summary(self._clock),
            )
            self._clear()
        return window

    def _run(self):
        while not self._stop.wait(self.interval_seconds):
            self._sample()

    def _sample(self):
        rss = rss_bytes(self._pid)
        process = used = reasons = clock = None
        if self.gpu:
            process, used = self.gpu.process_bytes(self._pid), self.gpu.used_bytes()
            reasons, clock = self.gpu.throttle_reasons(), self.gpu.clock_mhz()
        with self._lock:
            _append(self._rss, rss)
            _append(self._nvml_process, process)
            _append(self._clock, clock)
            if used is not None and self.device_before_bytes is not None:
                self._nvml_device_delta.append(used - self.device_before_bytes)
            if reasons is not None:
                self._throttle_reasons = (self._throttle_reasons or frozenset()).union(reasons)

    def _clear(self):
        self._rss, self._nvml_process, self._nvml_device_delta, self._clock = [], [], [], []
        self._throttle_reasons = None


def _append(samples, value):
    if value is not None:
        samples.append(value)


def _summary(samples):
    return (max(samples), sum(samples) / len(samples)) if samples else (None, None)
