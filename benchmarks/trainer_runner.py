"""Runs trials of a trainer, and everything that is asked of it beside them."""

from __future__ import annotations

import math
import os
import secrets
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from benchmarks.frameworks import Entry, preallocation
from benchmarks.workload import handed_over
from benchmarks.workload.spec import Workload
from pytest_duet.errors import DuetError
from pytest_duet.trials.runner import Runner
from pytest_duet.workers.process import ROOT
from pytest_duet.workers.protocol import WorkerError

SUBJECT = "benchmarks.host:TrainerHost"
WATCHED_STEPS = (2, 6)
SINGLE_STEPS = 3  # of an audited epoch
LEAST_AUDITED = 4  # epochs of a trial, the first included: two are left to be timed
PROFILED_SECONDS = 10  # of a longer epoch, only the first steps are profiled
TRACED_STEPS = 50
PROFILE_TIMEOUT_SECONDS = 120  # three times those steps, and a profiler's reading of its own records


@dataclass(frozen=True)
class TrainerRunner(Runner):
    """How trials of one framework's trainer are run; a round is an epoch.

    :param data_directory: where the four MNIST files are; None for the synthetic data set.
    :param device: ``"auto"``, ``"cpu"`` or ``"gpu"``.
    :param preallocate: whether the frameworks that take a pool of the GPU's memory at the start are let to.
    :param audited_trial: in which one epoch is trained in parts; None for none.
    :param steps: of an epoch, which the parts are drawn from.
    :param traces: the folder in which frameworks' own traces are kept; None for none.
    """

    entry: Entry
    workload: Workload
    data_directory: str | None = None
    device: str = "auto"
    preallocate: bool = False
    # Nothing that a trainer remembers is to spare a later one its work.
    writable: tuple[str, ...] | None = field(default=(), kw_only=True)
    audited_trial: int | None = None
    steps: int = 0
    traces: str | None = field(default=None, kw_only=True)
    name: str = field(init=False)
    subject: str = field(init=False, default=SUBJECT)
    rounds: int = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "name", self.entry.name)
        object.__setattr__(self, "rounds", self.workload.epochs)

    def open_arguments(self):
        return {
            **self.framework_arguments(),
            "workload": self.workload.as_dict(),
            "data_directory": self.data_directory,
            "device": self.device,
            "threads": self.threads if self.isolation == "process" else None,
        }

    def framework_arguments(self):
        """Return where the trainer is, what it stands on and the environment variables that it is to find."""
        return {
            "location": self.entry.location,
            "requires": list(self.entry.requires),
            "variables": {**preallocation(self.preallocate), **dict(self.entry.variables)},
        }

    def audited_round(self, trial):
        """Return one of the steady epochs of the audited trial, if there are enough to time without it."""
        if trial != self.audited_trial or self.rounds < LEAST_AUDITED or self.steps < 2 * SINGLE_STEPS:
            return None
        return 2 + secrets.randbelow(self.rounds - 1)

    def drawn_cut(self):
        """Return an epoch in a part from its beginning, some single steps, and the rest."""
        place = 1 + secrets.randbelow(self.steps - SINGLE_STEPS - 1)
        single = [(step, step + 1) for step in range(place, place + SINGLE_STEPS)]
        return [(0, place), *single, (place + SINGLE_STEPS, None)]

    def received(self, examined, folder):
        return replace(examined, evidence={"parameters": self._read_parameters(folder)})

    def _read_parameters(self, folder):
        try:
            return handed_over.read(self.workload, folder)
        except (OSError, ValueError) as error:
            raise WorkerError(f"{self.name}: its worker handed no parameters over ({error}).") from error

    def told(self, number, done=None):
        loss = f", loss {done.metrics['loss']:.4f}" if done else ""
        return f"epoch {number}/{self.rounds}{loss}"

    def at_root(self, root, name):
        """Return the runner of another copy of the suite's code, a trainer's file inside the repository included."""
        place, _, class_name = self.entry.location.rpartition(":")
        if place.endswith(".py") and not Path(place).is_relative_to(ROOT):
            raise DuetError(
                f"--against=git: {place} is not part of the suite's repository, so both sides would train with the "
                "same file. Keep it in a fork of the suite, or take turns with another environment."
            )
        if Path(place).is_relative_to(ROOT):
            place = Path(root) / Path(place).relative_to(ROOT)
        return replace(self, root=root, entry=replace(self.entry, location=f"{place}:{class_name}"))

    def within(self, budget_seconds, step_seconds, images):
        """Return this runner, or one that trains fewer steps an epoch, so that an epoch stays within a budget.

        The number of steps is a power of two, or three of the next smaller one, so that the same machine arrives at the
        same number every time and spends two thirds of the budget at the least.

        :param budget_seconds: for an epoch of so many images; None for no limit.
        :param step_seconds: what a step is thought to take.
        """
        if budget_seconds is None or self.workload.steps_per_epoch(images) * step_seconds <= budget_seconds:
            return self
        affordable = max(1.0, budget_seconds / step_seconds)
        power = 2 ** int(math.log2(affordable))
        steps = 3 * power // 2 if affordable >= 1.5 * power and power > 1 else power
        return replace(self, workload=replace(self.workload, steps=steps))

    def take_steps(self, batches, sampler=None):
        """Return what the trainer says of itself and of its steps over these batches, and what a step costs.

        ``calls_per_step``, ``lines_per_step`` and ``seconds_per_step`` are what a further step of an epoch adds
        (:meth:`benchmarks.host.TrainerHost.train_watched`); the seconds are a rough guess.

        In a process of its own, so that the compilation that the steps cause is not missing from the first epoch. Since
        nothing is timed here, it is here that the context overhead is found, and its source.

        :param sampler: called without arguments, gives a fresh :class:`MemorySampler`; None for no context overhead.
        """
        watch = sampler() if sampler else None
        with self.worker() as worker:
            self.progress("parity check")
            programs = self._kept_programs(worker, watch)
            overhead, source = self._context_overhead(worker, watch)
            opened = worker.open(**self.open_arguments())
            steps = self.steps_of(worker, batches)
            first = batches[0].tolist()
            short, long = (worker.call("train_watched", batches=[first] * count) for count in WATCHED_STEPS)
            per_step = {
                f"{name}_per_step": (long[name] - short[name]) / (WATCHED_STEPS[1] - WATCHED_STEPS[0])
                for name in ("calls", "lines", "seconds")
            }
            counters = self._count_work(worker, first)
            live_peak = self._live_peak(worker, opened, programs, per_step["seconds_per_step"])
            profile = self._profile(worker, opened.device, per_step["seconds_per_step"])
            traced = self._trace(worker)
        if opened.device == "cpu":
            overhead = source = None
        told = asdict(opened)
        return {
            **told.pop("declared"),
            **told,
            **steps,
            **per_step,
            **profile,
            "work_counters": counters,
            "trace": traced,
            "allocator_peak_bytes": long["allocator_peak_bytes"],
            "live_peak_bytes": live_peak,
            "context_overhead_bytes": overhead,
            "context_overhead_source": source,
        }

    def steps_of(self, worker, batches):
        """Have an open worker train on one batch at a time; return ``losses``, and ``parameters`` in the end."""
        steps = worker.call("take_steps", batches=[batch.tolist() for batch in batches], folder=worker.folder)
        return {**steps, "parameters": self._read_parameters(worker.folder)}

    def _context_overhead(self, worker, sampler):
        """Make a fresh worker's framework ready, and return what the GPU holds for it then, and by which source.

        That is its context and libraries, an array of one element, and the pool that the framework takes for it, before
        there is a parameter or an image. Libraries that it loads with its first product come later. ``(None, None)`` on
        a CPU, and where nobody can tell.
        """
        watched = sampler is not None and sampler.gpu is not None and sampler.interval_seconds
        # pytest's own process may have been trained in before; another revision of the suite may lack the call.
        alone = self.isolation == "process" and self.root is None
        if self.device == "cpu" or not watched or not alone:
            return None, None
        ready = worker.call("open_device", device=self.device, **self.framework_arguments())
        return sampler.held(worker.pid).best if ready else (None, None)

    def _kept_programs(self, worker, sampler):
        """Have a fresh worker keep what it compiles; return the folder, None where nobody will ask for it."""
        watched = sampler is not None and sampler.gpu is not None
        # Of a GPU whose memory one process takes as a pool, there is none left for another.
        if self.device == "cpu" or not watched or self.isolation == "none" or self.preallocate:
            return None
        folder = os.path.join(worker.folder, "programs")
        try:
            worker.call("keep_programs", folder=folder)
        except WorkerError:  # an older revision cannot
            return None
        return folder

    def _live_peak(self, worker, opened, programs, step_seconds):
        """Return the most that live arrays take in an epoch when nothing is compiled, in bytes.

        None where the trainer's own account of its trials is the same, or nobody can tell. A process that compiles has
        the peak of compiling where that takes its memory from the same allocator, and no way to forget it; so another
        one trains, with the programs that this one leaves it.
        """
        if opened.device == "cpu" or programs is None or not opened.declared.get("compiling_allocates"):
            return None
        self.progress("live peak")
        stop = max(1, int(PROFILED_SECONDS / max(step_seconds, 1e-6)))
        epoch = {"number": 1, "first": 0, "stop": stop}
        for _ in range(2):  # some frameworks trace the first time and compile the second
            worker.round(**epoch)
        try:
            with replace(self, writable=(programs,)).worker() as another:
                another.call("keep_programs", folder=programs)
                another.open(**self.open_arguments())
                return another.round(**epoch).memory.allocator_peak_bytes
        except WorkerError as error:  # a second process on the GPU may find no room: that costs this figure alone
            self.progress(f"no live peak of its own: {error}")
            return None

    def _count_work(self, worker, batch):
        """Return how much of everything there is in a step, and in the programs that were compiled; a dictionary."""
        try:
            # The first one leaves behind what is compiled for its length.
            (short, _), (long, compiled) = (worker.call("count_work", batches=[batch] * n) for n in WATCHED_STEPS)
        except WorkerError:  # a profiler that fails costs its own figures alone; an older revision has none
            return {}
        steps = WATCHED_STEPS[1] - WATCHED_STEPS[0]
        return {**{f"{name} a step": (long[name] - short.get(name, 0)) / steps for name in long}, **compiled}

    def _trace(self, worker):
        """Keep the framework's own trace of some steps where somebody asked for it; return the folder, None without."""
        if not self.traces or self.isolation == "none":
            return None
        self.progress("tracing")
        try:
            found = worker.call("trace", steps=TRACED_STEPS, folder=worker.folder)
        except DuetError as error:  # a tracer that fails costs its own files alone
            self.progress(f"no trace: {error}")
            return None
        if not found["files"]:
            return None
        kept = Path(self.traces) / self.name
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(Path(worker.folder) / "trace", kept)
        return str(kept)

    def _profile(self, worker, device, step_seconds):
        """Return ``device_time``, and why a GPU has none; the worker's last call, since a profiler may kill it."""
        found = {}
        if device != "cpu" and self.isolation == "none":
            found = {"failed": "not profiled in pytest's own process, where another profiler may be at work"}
        elif device != "cpu":
            self.progress("profiling the device")
            steps = max(1, int(PROFILED_SECONDS / max(step_seconds, 1e-6)))
            worker.hurry(PROFILE_TIMEOUT_SECONDS)
            try:
                found = worker.call("profile", steps=steps)
            except DuetError as error:
                found = {"failed": str(error).partition("\n")[0]}
        return {"device_time": found.get("device_time"), "device_time_missing": found.get("failed")}
