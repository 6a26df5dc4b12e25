"""Runs trials: a fresh process each, repeated where others disturbed it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from benchmarks.context_overhead import context_floor
from benchmarks.frameworks import preallocation
from pytest_duet.errors import DuetError
from pytest_duet.trials.recorder import Training
from pytest_duet.workers.process import InProcess, Worker

ATTEMPTS = 3  # a disturbed trial is repeated twice at the most
MAX_FOREIGN_CORES = 0.1
WATCHED_STEPS = (2, 6)
PROFILED_SECONDS = 10  # of a longer epoch, only the first steps are profiled
PROFILE_TIMEOUT_SECONDS = 120  # three times those steps, and a profiler's reading of its own records


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
    :param preallocate: whether the frameworks that take a pool of the GPU's memory at the start are let to.
    :param progress: called with a line of text whenever there is news.
    :param root: the folder of the suite's code that the workers run; None for this one.
    :param slot: :class:`pytest_duet.workers.slots.Slot`, where the machine is shared with other workers of the session.
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
    preallocate: bool = False
    progress: object = lambda text: None
    root: str | None = None
    slot: object | None = None

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

    def take_steps(self, batches, sampler=None):
        """Return what the host's ``build`` and ``take_steps`` say of these batches, and what a step costs.

        ``calls_per_step``, ``lines_per_step`` and ``seconds_per_step`` are what a further step of an epoch adds
        (:meth:`Host.train_watched`); the seconds are a rough guess.

        In a process of its own, so that the compilation that the steps cause is not missing from the first epoch. Since
        nothing is timed here, it is here that ``context_floor_bytes`` is found, and its source.

        :param sampler: called without arguments, gives a fresh :class:`MemorySampler`; None for no floor.
        """
        watch = sampler() if sampler else None
        with self.worker() as worker:
            self.progress("parity check")
            floor, source = context_floor(self, worker, watch)
            built = worker.call("build", **self.build_arguments())
            batches = [batch.tolist() for batch in batches]
            steps = worker.call("take_steps", batches=batches)
            short, long = (worker.call("train_watched", batches=batches[:1] * count) for count in WATCHED_STEPS)
            per_step = {
                f"{name}_per_step": (long[name] - short[name]) / (WATCHED_STEPS[1] - WATCHED_STEPS[0])
                for name in ("calls", "lines", "seconds")
            }
            profile = self._profile(worker, built, per_step["seconds_per_step"])
        if built["device"] == "cpu":
            floor = source = None
        return {
            **built,
            **steps,
            **per_step,
            **profile,
            "allocator_peak_bytes": long["allocator_peak_bytes"],
            "context_floor": {"context_floor_bytes": floor, "context_floor_source": source},
        }

    def _profile(self, worker, built, step_seconds):
        """Return ``device_time``, and why a GPU has none; the worker's last call, since a profiler may kill it."""
        found = {}
        if built["device"] != "cpu" and self.isolation == "none":
            found = {"failed": "not profiled in pytest's own process, where another profiler may be at work"}
        elif built["device"] != "cpu":
            self.progress("profiling the device")
            steps = max(1, int(PROFILED_SECONDS / max(step_seconds, 1e-6)))
            worker.hurry(PROFILE_TIMEOUT_SECONDS)
            try:
                found = worker.call("profile", steps=steps)
            except DuetError as error:
                found = {"failed": str(error).partition("\n")[0]}
        return {"device_time": found.get("device_time"), "device_time_missing": found.get("failed")}

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
        with self.worker() as worker, sampler.watch(worker.pid):
            self.progress(f"{name}, starting")
            training = Training(self, worker, sampler)
            for number in range(1, self.workload.epochs + 1):
                loss = training.train_epoch(number).loss
                self.progress(f"{name}, epoch {number}/{self.workload.epochs}, loss {loss:.4f}")
        return training.trial()

    def worker(self):
        """Return a fresh worker, a context manager."""
        if self.isolation == "none":
            return InProcess(self.entry.name)
        return Worker(self.entry.name, self.python, self.timeout_seconds, self.threads, self.root)

    def build_arguments(self):
        """Return what :meth:`Host.build` is to be called with."""
        return {
            "location": self.entry.location,
            "requires": list(self.entry.requires),
            "variables": {**preallocation(self.preallocate), **dict(self.entry.variables)},
            "workload": self.workload.as_dict(),
            "data_directory": self.data_directory,
            "device": self.device,
            "threads": self.threads if self.isolation == "process" else None,
        }
