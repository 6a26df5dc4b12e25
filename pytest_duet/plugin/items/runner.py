"""Runs trials of a test: each in a worker that runs pytest up to the test's call of ``benchmark``."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Self

from pytest_duet.errors import DuetError
from pytest_duet.plugin.items.host import Ended, Looked
from pytest_duet.plugin.items.plan import ROUND_SECONDS, Plan, make_plan
from pytest_duet.plugin.items.settings import Checkout, Settings
from pytest_duet.plugin.items.sharing import LOOK, Shared
from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.trials.recorder import Recorder
from pytest_duet.trials.runner import Runner
from pytest_duet.trials.trial import Trial
from pytest_duet.workers.process import GOODBYE_SECONDS, Worker
from pytest_duet.workers.protocol import Opened

STACK_STEP, STACK_SPAN = 1_328, 4_096  # bytes; a page's span, in steps that are a multiple of 16 and no divisor of it
SUBJECT = "pytest_duet.plugin.items.host:ItemHost"


class ItemEnded(DuetError):
    """A test ended in its worker, and not as it should have: before it could be measured, or after it was.

    :ivar ended: what became of it.
    """

    def __init__(self, ended: Ended) -> None:
        super().__init__("the test ended before it could be measured")
        self.ended = ended


class ItemWorker(Worker):
    """A worker whose subject is a test; closed in peace, it lets the test go on to its end.

    :ivar ended: where what became of the test is added.
    :ivar shared: whether it is for further tests: then leaving it ends the test alone.
    :ivar stops: whether it stands still until the next one then.
    """

    timeout_option = "--duet-timeout"
    ended: list[Ended]
    shared, stops = False, True
    _measuring = False

    def open(self, **arguments: Any) -> Opened:
        plain = self.call("open", **arguments)
        if isinstance(plain, dict) and set(plain) == set(Ended.__dataclass_fields__):
            raise ItemEnded(Ended(**plain))
        self._measuring = True
        return self._decode(Opened, "open", plain)

    @property
    def is_open(self) -> bool:
        return bool(self._pipes)

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        try:
            if not error:
                self._finish()
        finally:
            if not self.shared or error or self.process.poll() is not None:
                self.close(patience_seconds=0 if error else GOODBYE_SECONDS)
            elif self.stops:
                self.stand_still()

    def end(self) -> None:
        """End a worker that tests have shared, and what fixtures they did.

        :raises WorkerError: where one of those fails at its end.
        """
        try:
            if self.is_open:
                self.go_on()
                self.call("open", nodeid=None, plan=None)
        finally:
            self.close(GOODBYE_SECONDS)

    def _finish(self) -> None:
        """Let the test go on to its end.

        :raises ItemEnded: where it fails there.
        """
        if self._measuring:
            self._measuring = False
            self.go_on()
            ended = Ended(**self.call("finish"))
            self.ended.append(ended)
            if any(report.get("outcome") == "failed" for report in ended.reports):
                raise ItemEnded(ended)


def same_luck(number: int) -> dict[str, str]:
    """Return environment variables by which a trial's processes meet the same order of sets and the same stack.

    Both change from trial to trial, for a figure of one order would be that order's; and are alike in every run.
    """
    seed = os.environ.get("PYTHONHASHSEED", "random")
    return {
        "PYTHONHASHSEED": str(number) if seed == "random" else seed,
        "DUET_PADDING": "x" * (number * STACK_STEP % STACK_SPAN),  # the environment lies on the stack
    }


@dataclass(frozen=True, kw_only=True)
class ItemRunner(Runner):
    """How trials of one test are run.

    :param nodeid: the test's, which its worker finds it by.
    :param sync: whether the clock waits for the devices.
    :param stop: whether the side that waits is stopped.
    :param memory: whether the worker's memory is the test's: not where processes of its own do the work.
    :param round_seconds: what a round is to take.
    :param plan: how much of its work a trial has; None where that is to be found out.
    :param exposed: a folder that holds this package alone, for another interpreter must not find ours beside it.
    :param ended: what became of the test in each worker that ended in peace, the last one last.
    :param shared: the workers that it shares with other tests; None where each is its own.
    """

    nodeid: str
    settings: Settings
    exposed: str
    sync: bool = False
    stop: bool = True
    memory: bool = True
    round_seconds: float = ROUND_SECONDS
    plan: Plan | None = None
    ended: list[Ended] = field(default_factory=list)
    shared: Shared | None = None
    subject: str = SUBJECT
    rounds: int = 0

    def open_arguments(self) -> dict[str, Any]:
        plan = asdict(self.plan) if self.plan else None
        return {"nodeid": self.nodeid, "settings": self.settings.as_json(), "plan": plan}

    def worker(self, number: int = 1) -> ItemWorker:
        if not self.shared:
            return self._start(number)
        taken = self.shared.take(number, self.nodeid, partial(self._start, number))
        taken.name, taken.ended, taken.shared, taken.stops = self.name, self.ended, True, self.stop
        return taken

    def _start(self, number: int) -> ItemWorker:
        made = ItemWorker(
            self.name,
            self.subject,
            self.python,
            self.timeout_seconds,
            self.threads,
            self.exposed,
            variables=same_luck(number),
        )
        made.ended = self.ended
        return made

    def at_root(self, root: str, name: str) -> Self:
        """Return this runner with its workers importing the project from another revision's working tree."""
        return replace(self, settings=replace(self.settings, revision=Checkout(root, name)))

    def planned(self, looked: Looked) -> Self:
        """Return the runner of a test of which a look has found out how long its calls take."""
        plan = make_plan(looked.call_seconds, looked.allowed, self.round_seconds)
        return replace(self, plan=plan, rounds=plan.rounds)

    def look(self, sampler: MemorySampler) -> tuple[Opened, Ended, Trial]:
        """Have the test run once, and return what it is, how it ended, and its trial: all there is of a single call.

        :raises ItemEnded: where it failed, was skipped, or never called ``benchmark``.
        """
        started_at = time.time()
        with self.worker(LOOK) as worker, sampler.watch(worker.pid):
            self.progress("a look at it")
            recorder = Recorder(self, worker, sampler)
        return recorder.opened, self.ended.pop(), replace(recorder.trial(), started_at=started_at)
