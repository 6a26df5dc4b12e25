"""One worker while it trains, and everything that is read from it on the way to a trial's record."""

from __future__ import annotations

import time
from dataclasses import replace

from pytest_duet.sensors.cpu import machine_usage, own_cores, process_usage, session_seconds
from pytest_duet.sensors.energy import used_joules
from pytest_duet.sensors.gpu import POWER_CAP
from pytest_duet.sensors.memory import id_in_proc
from pytest_duet.sensors.sampler import memory_source, samples_of
from pytest_duet.trials.trial import Disturbance, Epoch, Memory, Trial
from pytest_duet.workers.process import InProcess


class Training:
    """Builds a trainer in a worker and trains its epochs, whole or in parts, under a sampler's eyes.

    :param runner: :class:`pytest_duet.trials.runner.Runner`, whose trial this is.
    :param worker: :class:`pytest_duet.workers.process.Worker`, or its in-process twin.
    :param sampler: :class:`pytest_duet.sensors.sampler.MemorySampler`, watching that worker.
    """

    def __init__(self, runner, worker, sampler):
        self._runner, self._worker, self._sampler = runner, worker, sampler
        self.built = worker.call("build", **runner.build_arguments())
        self._on_gpu = self.built["device"] != "cpu"
        self._readings, self._windows, self._others = [self.built["memory"]], [], []
        self._parts = []
        self._epochs_windows = []
        self.epochs = []

    def train_epoch(self, number):
        """Train a whole epoch and return its :class:`Epoch`."""
        self.train_part(number)
        return self.end_epoch(number)

    def train_part(self, number, first=0, stop=None):
        """Train the steps from ``first`` up to ``stop`` of an epoch and return how long they took, in seconds."""
        self._sampler.look()
        watch = _Others(self._worker, self._runner.slot and self._runner.slot.cores)
        part = {"first": first, "stop": stop} if (first, stop) != (0, None) else {}
        timed = self._worker.call("train_epoch", epoch=number, **part)
        self._others.append(watch.stop(timed.pop("call_cpu_seconds")))
        self._windows.append(self._sampler.look())
        self._readings.append(timed.pop("memory"))
        self._parts.append((timed, self._windows[-1]))
        return timed["seconds"]

    def end_epoch(self, number, examine=True):
        """Return the :class:`Epoch` that the parts since the last one make up.

        :param examine: whether to look at the accuracy and the parameters; a later epoch's hold this one's, too.
        """
        timed, windows = zip(*self._parts)
        self._parts = []
        images = sum(part["images"] for part in timed)
        switches = [part["involuntary_switches"] for part in timed]
        self._epochs_windows.append(windows)
        source = memory_source(windows, self._on_gpu)
        sampled = [samples_of(window, source) for window in windows] if source else []
        epoch = Epoch(
            epoch=number,
            seconds=sum(part["seconds"] for part in timed),
            cpu_seconds=sum(part["cpu_seconds"] for part in timed),
            involuntary_switches=None if None in switches else sum(switches),
            lag_seconds=timed[-1]["lag_seconds"],
            loss=sum(part["loss"] * part["images"] for part in timed) / images,
            **(self._worker.call("examine") if examine else {}),
            memory_peak_bytes=_highest(peak for peak, _ in sampled),
            memory_average_bytes=_mean(average for _, average in sampled),
            memory_source=source,
            gpu_clock_mhz=_mean(window.clock_mhz[1] for window in windows) if self._on_gpu else None,
            gpu_throttle_reasons=_throttling(windows) if self._on_gpu else None,
            **(self._energy(windows, sum(part["seconds"] for part in timed)) if self._on_gpu else {}),
        )
        self.epochs.append(epoch)
        return epoch

    def _energy(self, windows, trained_seconds):
        counted = None not in [window.gpu_energy_joules for window in windows]
        return {
            "gpu_energy_joules": used_joules(windows, self._sampler.idle_watts, trained_seconds),
            "gpu_energy_window_seconds": sum(window.seconds for window in windows) if counted else None,
        }

    def drop_epoch(self):
        """Leave the parts since the last epoch out of the record: they were warm-up."""
        self._parts = []

    def trial(self):
        """Return what has been trained so far as a :class:`Trial`."""
        return Trial(
            import_seconds=self.built["import_seconds"],
            build_seconds=self.built["build_seconds"],
            epochs=self.epochs,
            memory=ledger(self._readings, self._windows, self._on_gpu),
            **(self._of_the_gpu() if self._on_gpu else {}),
            disturbance=disturbance(
                self._others, self._windows, self._sampler.foreign_gpu_processes, self._runner.max_foreign_cores
            ),
        )

    def _of_the_gpu(self):
        # The steady epochs' together: the counter's step, which one epoch may be lost in, weighs less there.
        steady = [window for windows in self._epochs_windows[1:] for window in windows]
        joules = used_joules(steady, self._sampler.idle_watts, sum(epoch.seconds for epoch in self.epochs[1:]))
        seen = any(window.nvml_process[0] is not None for window in self._windows)
        return {
            "nvml_process_hidden": None if seen or not self._windows else self._windows[-1].hidden,
            "gpu_idle_watts": self._sampler.idle_watts,
            "gpu_energy_joules": None if joules is None else joules / len(self._epochs_windows[1:]),
        }


def ledger(readings, windows, on_gpu):
    """Return a trial's :class:`Memory` from what the trainer said and what the sampler saw, epoch by epoch."""
    steady = windows[1:]
    found = Memory(
        host_peak_rss_bytes=_highest(reading["host_peak_rss_bytes"] for reading in readings),
        host_average_rss_bytes=_mean(window.rss[1] for window in steady),
        allocator_peak_bytes=_highest(reading["allocator_peak_bytes"] for reading in readings),
        allocator_reserved_bytes=_highest(reading["allocator_reserved_bytes"] for reading in readings),
    )
    if not on_gpu:
        return found  # the GPU's memory is not this trainer's
    return replace(
        found,
        nvml_process_peak_bytes=_highest(window.nvml_process[0] for window in windows),
        nvml_process_average_bytes=_mean(window.nvml_process[1] for window in steady),
        nvml_device_delta_peak_bytes=_highest(window.nvml_device_delta[0] for window in windows),
        nvml_device_delta_average_bytes=_mean(window.nvml_device_delta[1] for window in steady),
    )


def disturbance(others, windows, gpu_processes, max_foreign_cores):
    """Return a trial's :class:`Disturbance`.

    :param others: of each timed part, what :meth:`_Others.stop` gave.
    :param gpu_processes: those that held the GPU before.
    """
    foreign = steal = None
    if None not in others:
        wall = sum(seconds for seconds, _, _ in others)
        foreign = max(0.0, sum(used for _, used, _ in others) / wall)
        steal = sum(stolen for _, _, stolen in others) / wall
    throttling = _throttling(windows)
    reasons = []
    if foreign is not None and foreign > max_foreign_cores:
        reasons.append(f"others used {foreign:.2f} cores meanwhile (limit {max_foreign_cores:g})")
    if set(throttling or ()) - {POWER_CAP}:
        reasons.append(f"the GPU was throttled: {', '.join(throttling)}")
    if gpu_processes:
        reasons.append(f"other processes held the GPU: {', '.join(map(str, gpu_processes))}")
    return Disturbance(foreign, steal, throttling, gpu_processes, reasons)


def _throttling(windows):
    """Return all reasons why the GPU clocked down, sorted; None where nobody could tell."""
    known = [window.throttle_reasons for window in windows if window.throttle_reasons is not None]
    return sorted(frozenset().union(*known)) if known else None


class _Others:
    """Counts the CPU time that neither the worker, nor its helpers, nor this process used, from now to :meth:`stop`.

    A worker's helpers are the other processes of its session, such as a compiler's; what one of them used that ended
    and was not waited for is lost, and counts as others'.

    :param cores: the numbers of those that nobody else should use; None for those that this process may use: what runs
        on the machine's others takes nothing from them.
    """

    def __init__(self, worker, cores=None):
        self._in_process, self._cores = isinstance(worker, InProcess), cores or own_cores()
        self._session = None if self._in_process else id_in_proc(worker.pid)
        self._helpers = self._helpers_seconds()
        self._start, self._machine = time.perf_counter(), machine_usage(cores=self._cores)
        self._own = process_usage()

    def stop(self, worker_cpu_seconds):
        """Return wall seconds, CPU seconds of others (stolen ones included), and stolen seconds; or None."""
        seconds, now = time.perf_counter() - self._start, machine_usage(cores=self._cores)
        if now is None or self._machine is None:
            return None
        own = (process_usage() - self._own).cpu_seconds
        machine = now - self._machine
        ours = own if self._in_process else own + worker_cpu_seconds + max(0.0, self._helpers_seconds() - self._helpers)
        return seconds, machine.busy_seconds + machine.steal_seconds - ours, machine.steal_seconds

    def _helpers_seconds(self):
        return 0.0 if self._session is None else session_seconds(self._session) or 0.0


def _highest(values):
    return max((value for value in values if value is not None), default=None)


def _mean(values):
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
