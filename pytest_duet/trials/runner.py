"""Runs trials: a fresh process each, repeated where others disturbed it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.trials.recorder import Recorder
from pytest_duet.trials.trial import Round, Trial
from pytest_duet.workers.hosted import Hosted, InProcess
from pytest_duet.workers.process import Worker
from pytest_duet.workers.protocol import Examined
from pytest_duet.workers.slots import Slot

ATTEMPTS = 3  # a disturbed trial is repeated twice at the most
MAX_FOREIGN_CORES = 0.1


@dataclass(frozen=True, kw_only=True)
class Runner:
    """How trials of one subject are run.

    :param name: the subject's, for messages.
    :param subject: its class, ``"module:Class"``, :class:`pytest_duet.workers.protocol.Subject`.
    :param rounds: of a trial, the first one included.
    :param python: the workers' interpreter; None for this one.
    :param environment: the name of that interpreter's environment; None for this one.
    :param root: the folder of the code that the workers run; None for this one's.
    :param threads: how many cores and threads the subject computes with; None for all cores.
    :param isolation: ``"process"``, or ``"none"`` for debuggers and profilers.
    :param timeout_seconds: how long a worker may take over one reply.
    :param max_foreign_cores: a trial beside which others used more CPU than this, in cores, is disturbed.
    :param progress: called with a line of text whenever there is news.
    :param writable: the folders that workers may write to although they outlive them; None for no such limit.
    :param slot: this session's share of the machine, where other workers have the rest.
    """

    name: str
    subject: str
    rounds: int
    python: str | None = None
    environment: str | None = None
    root: str | None = None
    threads: int | None = None
    isolation: str = "process"
    timeout_seconds: float = 600
    max_foreign_cores: float = MAX_FOREIGN_CORES
    progress: Callable[[str], object] = lambda text: None
    writable: tuple[str, ...] | None = None
    slot: Slot | None = None

    def open_arguments(self) -> dict[str, Any]:
        """Return what the subject is to be opened with."""
        return {}

    def told(self, number: int, done: Round | None = None) -> str:
        """Return what a line of progress says of a round, and of how it ended once it is done."""
        return f"round {number}/{self.rounds}"

    def audited_round(self, trial: int) -> int | None:
        """Return which round of a trial is done in parts, asked when its worker is open; None for none."""
        return None

    def drawn_cut(self) -> Sequence[tuple[int, int | None]]:
        """Return the parts, first step and the one to stop before, that an audited round is done in; drawn for it."""
        return ()

    def received(self, examined: Examined, folder: str) -> Examined:
        """Return what a subject accounts for, with what it wrote into the folder, which goes with the worker."""
        return examined

    def at_root(self, root: str, name: str) -> Self:
        """Return this runner with its workers running the code in another folder.

        :param name: what that code was asked for by, for messages.
        """
        return replace(self, root=root)

    def worker(self, number: int = 1) -> Hosted:
        """Return the subject in a fresh worker, a context manager.

        :param number: of its trial: what is drawn at random for a process is drawn by it, alike on both sides.
        """
        if self.isolation == "none":
            return InProcess(self.name, self.subject)
        where = self.python, self.timeout_seconds, self.threads, self.root
        return Worker(self.name, self.subject, *where, writable=self.writable)

    def run(self, number: int, sampler: Callable[[], MemorySampler]) -> Trial:
        """Return trial ``number``: the first undisturbed attempt, each with a new sampler, else the least disturbed."""
        attempts = []
        for attempt in range(1, ATTEMPTS + 1):
            name = f"trial {number}" + (f", attempt {attempt}" if attempt > 1 else "")
            trial = replace(self._attempt(number, name, sampler()), attempt=attempt)
            if not trial.disturbed:
                return trial
            attempts.append(trial)
        return min(attempts, key=lambda trial: (len(trial.disturbance.reasons), trial.disturbance.foreign_cores or 0))

    def heat(self, number: int, sampler: MemorySampler) -> Generator[None, None, Trial]:
        """Run a trial step by step: whoever asks for the next has one round done; in between the worker stands still.

        The first step starts the worker. For a trial beside others', which take their steps meanwhile: it is never
        repeated, and a process that cannot be stopped has disturbed it.
        """
        return self._steps(number, f"trial {number}", sampler, stop=True)

    def _attempt(self, number: int, name: str, sampler: MemorySampler) -> Trial:
        steps = self._steps(number, name, sampler)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                trial: Trial = done.value
                return trial

    def _steps(
        self, trial_number: int, name: str, sampler: MemorySampler, stop: bool = False
    ) -> Generator[None, None, Trial]:
        started_at, restless = time.time(), set[int]()
        with self.worker(trial_number) as worker, sampler.watch(worker.pid):
            self.progress(f"{name}, starting")
            recorder = Recorder(self, worker, sampler)
            audited = self.audited_round(trial_number)
            for number in range(1, self.rounds + 1):
                if stop:
                    restless.update(worker.stand_still())
                yield
                if stop:
                    worker.go_on()
                done = recorder.round(number, self.drawn_cut() if number == audited else ())
                self.progress(f"{name}, {self.told(number, done)}")
            recorder.sustain()
        trial = replace(recorder.trial(), started_at=started_at)
        if not restless:
            return trial
        reason = f"processes {', '.join(map(str, sorted(restless)))} could not be stopped while others had their turn"
        return replace(trial, disturbance=replace(trial.disturbance, reasons=(*trial.disturbance.reasons, reason)))
