"""Runs trials: a fresh process each, repeated where others disturbed it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from benchmarks.errors import SuiteError
from benchmarks.measure.client import InProcess, Worker
from benchmarks.measure.cpu import machine_usage, process_usage
from benchmarks.measure.gpu import POWER_CAP
from benchmarks.measure.record import Disturbance, Epoch, Memory, Trial

ATTEMPTS = 3  # a disturbed trial is repeated twice at the most
MAX_FOREIGN_CORES = 0.1
WATCHED_STEPS = (2, 6)


@dataclass(frozen=True)
class Runner:
    """How trials of one framework are run.

    :param entry: :class:`benchmarks.frameworks.Entry`.
    :param workload: :class:`benchmarks.workload.spec.Workload`.
    :param data_directory: where the four MNIST files are; None for the synthetic data set.
    :param device: ``"auto"``, ``"cpu"`` or ``"gpu"``.
    :param isolation: ``"process"``, or ``"none"`` for debuggers and profilers.
    :param timeout_seconds: how long a worker may take over one reply.
    :param max_foreign_cores: a trial beside which others used more CPU than this, in cores, is disturbed.
    :param python: the workers' interpreter; None for this one.
    :param environment: the name of that interpreter's environment; None for this one.
    :param threads: how many cores and threads a trainer computes with; None for all cores.
    :param progress: called with a line of text whenever there is news.
    """

    entry: object
    workload: object
    data_directory: str | None = None
    device: str = "auto"
    isolation: str = "process"
    timeout_seconds: float = 600
    max_foreign_cores: float = MAX_FOREIGN_CORES
    python: str | None = None
    environment: str | None = None
    threads: int | None = None
    progress: object = lambda text: None

    def within(self, budget_seconds, step_seconds, images):
        """Return this runner, or one that trains fewer steps an epoch, so that an epoch stays within a budget.

        The number of steps is a power of two, so that the same machine arrives at the same number every time.

        :param budget_seconds: for an epoch; None for no limit.
        :param step_seconds: what a step is thought to take.
        :param images: of the data set.
        """
        if budget_seconds is None or self.workload.steps_per_epoch(images) * step_seconds <= budget_seconds:
            return self
        affordable = max(1.0, budget_seconds / step_seconds)
        return replace(self, workload=replace(self.workload, steps=2 ** int(math.log2(affordable))))

    def take_steps(self, batches):
        """Return what the host's ``build`` and ``take_steps`` say of these batches, and what a step costs.

        ``calls_per_step``, ``lines_per_step`` and ``seconds_per_step`` are what a further step of an epoch adds
        (:meth:`Host.train_watched`); the seconds are a rough guess.

        In a process of its own, so that the compilation that the steps cause is not missing from the first epoch.
        """
        with self._worker() as worker:
            self.progress("parity check")
            built = worker.call("build", **self.build_arguments())
            batches = [batch.tolist() for batch in batches]
            steps = worker.call("take_steps", batches=batches)
            short, long = (worker.call("train_watched", batches=batches[:1] * count) for count in WATCHED_STEPS)
        per_step = {
            f"{name}_per_step": (long[name] - short[name]) / (WATCHED_STEPS[1] - WATCHED_STEPS[0])
            for name in ("calls", "lines", "seconds")
        }
        return {**built, **steps, **per_step, "allocator_peak_bytes": long["allocator_peak_bytes"]}

    def run(self, number, sampler):
        """Return trial ``number`` as a :class:`Trial`: the first undisturbed attempt, else the least disturbed one.

        :param sampler: called without arguments, gives a fresh :class:`MemorySampler`.
        """
        attempts = []
        for attempt in range(1, ATTEMPTS + 1):
            name = f"trial {number}" + (f", attempt {attempt}" if attempt > 1 else "")
            trial = replace(self._attempt(name, sampler()), attempt=attempt)
            if not trial.disturbed:
                return trial
            attempts.append(trial)
        return min(attempts, key=lambda trial: (len(trial.disturbance.reasons), trial.disturbance.foreign_cores or 0))

    def _attempt(self, name, sampler):
        with self._worker() as worker, sampler.watch(worker.pid):
            self.progress(f"{name}, starting")
            built = worker.call("build", **self.build_arguments())
            on_gpu = built["device"] != "cpu"
            readings, epochs, windows, others = [built["memory"]], [], [], []
            for number in range(1, self.workload.epochs + 1):
                sampler.look()
                watch = _Others(worker)
                timed = worker.call("train_epoch", epoch=number)
                others.append(watch.stop(timed.pop("call_cpu_seconds")))
                windows.append(sampler.look())
                readings.append(timed.pop("memory"))
                peak, average = windows[-1].best if on_gpu else windows[-1].rss
                epochs.append(
                    Epoch(**timed, **worker.call("examine"), memory_peak_bytes=peak, memory_average_bytes=average)
                )
                self.progress(f"{name}, epoch {number}/{self.workload.epochs}, loss {timed['loss']:.4f}")
        return Trial(
            import_seconds=built["import_seconds"],
            build_seconds=built["build_seconds"],
            epochs=epochs,
            memory=_ledger(readings, windows, on_gpu),
            disturbance=self._disturbance(others, windows, sampler),
        )

    def _worker(self):
        if self.isolation == "none":
            return InProcess(self.entry.name)
        return Worker(self.entry.name, self.python, self.timeout_seconds, self.threads)

    def build_arguments(self):
        """Return what :meth:`Host.build` is to be called with."""
        return {
            "location": self.entry.location,
            "requires": list(self.entry.requires),
            "variables": dict(self.entry.variables),
            "workload": self.workload.as_dict(),
            "data_directory": self.data_directory,
            "device": self.device,
            "threads": self.threads if self.isolation == "process" else None,
        }

    def matrix_limit(self):
        """Return the rate of the framework's matrix products at the workload's shapes, in FLOP a second."""
        with Worker(self.entry.name, self.python, self.timeout_seconds, self.threads) as worker:
            arguments = {"location": self.entry.location, "requires": list(self.entry.requires)}
            return worker.call("matrix_limit", workload=self.workload.as_dict(), **arguments)["flops_per_second"]

    def _disturbance(self, others, windows, sampler):
        foreign = steal = None
        if None not in others:
            wall = sum(seconds for seconds, _, _ in others)
            foreign = max(0.0, sum(used for _, used, _ in others) / wall)
            steal = sum(stolen for _, _, stolen in others) / wall
        known = [window.throttle_reasons for window in windows if window.throttle_reasons is not None]
        throttling = sorted(frozenset().union(*known)) if known else None
        reasons = []
        if foreign is not None and foreign > self.max_foreign_cores:
            reasons.append(f"others used {foreign:.2f} cores meanwhile (limit {self.max_foreign_cores:g})")
        if set(throttling or ()) - {POWER_CAP}:
            reasons.append(f"the GPU was throttled: {', '.join(throttling)}")
        if sampler.foreign_gpu_processes:
            reasons.append(f"other processes held the GPU: {', '.join(map(str, sampler.foreign_gpu_processes))}")
        return Disturbance(foreign, steal, throttling, sampler.foreign_gpu_processes, reasons)


def measure_limit(runners):
    """Return the best CPU rate of a workload's matrix products that any of these frameworks reaches, and which does.

    Each has two turns, some seconds apart, since a burst of others' work easily lasts as long as one measurement: seen
    here was a limit of half the true one, which every framework beat.

    :param runners: a :class:`Runner` each; a framework that is missing, or fails, is passed over.
    """
    best = {"flops_per_second": None, "engine": None}
    for runner in [*runners] * 2:
        try:
            found = runner.matrix_limit()
        except SuiteError:
            continue  # its own benchmark will say what is wrong
        if best["engine"] is None or found > best["flops_per_second"]:
            best = {"flops_per_second": found, "engine": runner.entry.name}
    return best


class _Others:
    """Counts the CPU time that neither the worker nor this process used, from now to :meth:`stop`."""

    def __init__(self, worker):
        self._in_process = isinstance(worker, InProcess)
        self._start, self._machine, self._own = time.perf_counter(), machine_usage(), process_usage()

    def stop(self, worker_cpu_seconds):
        """Return wall seconds, CPU seconds of others (stolen ones included), and stolen seconds; or None."""
        seconds, now = time.perf_counter() - self._start, machine_usage()
        if now is None or self._machine is None:
            return None
        own = (process_usage() - self._own).cpu_seconds
        machine = now - self._machine
        ours = own if self._in_process else own + worker_cpu_seconds
        return seconds, machine.busy_seconds + machine.steal_seconds - ours, machine.steal_seconds


def _ledger(readings, windows, on_gpu):
    steady = windows[1:]
    ledger = Memory(
        host_peak_rss_bytes=_highest(reading["host_peak_rss_bytes"] for reading in readings),
        host_average_rss_bytes=_mean(window.rss[1] for window in steady),
        allocator_peak_bytes=_highest(reading["allocator_peak_bytes"] for reading in readings),
        allocator_reserved_bytes=_highest(reading["allocator_reserved_bytes"] for reading in readings),
    )
    if not on_gpu:
        return ledger  # the GPU's memory is not this trainer's
    return replace(
        ledger,
        nvml_process_peak_bytes=_highest(window.nvml_process[0] for window in windows),
        nvml_process_average_bytes=_mean(window.nvml_process[1] for window in steady),
        nvml_device_delta_peak_bytes=_highest(window.nvml_device_delta[0] for window in windows),
        nvml_device_delta_average_bytes=_mean(window.nvml_device_delta[1] for window in steady),
    )


def _highest(values):
    return max((value for value in values if value is not None), default=None)


def _mean(values):
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
