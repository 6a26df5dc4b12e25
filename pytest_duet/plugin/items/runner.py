"""Runs trials of a test: each in a worker that runs pytest up to the test's call of ``benchmark``."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pytest_duet.errors import DuetError
from pytest_duet.plugin.items.host import Allowed, Ended
from pytest_duet.plugin.items.plan import ROUND_SECONDS, Plan, make_plan
from pytest_duet.trials.runner import Runner
from pytest_duet.workers.process import Worker
from pytest_duet.workers.protocol import Opened, SubjectError, WorkerError

STACK_STEP, STACK_SPAN = 1_328, 4_096  # bytes; a page's span, in steps that are a multiple of 16 and no divisor of it
SUBJECT = "pytest_duet.plugin.items.host:ItemHost"


class TestEnded(DuetError):
    """A test ended in its worker, and not as it should have: before it could be measured, or after it was.

    :ivar ended: what became of it.
    """

    def __init__(self, ended: Ended) -> None:
        super().__init__("the test ended before it could be measured")
        self.ended = ended


@dataclass
class Told:
    """What the workers of a test said once it had finished; shared by the runners of both sides.

    :ivar ended: of each trial, in their order.
    """

    ended: list[Ended] = field(default_factory=list)


class ItemWorker(Worker):
    """A worker whose subject is a test; closed in peace, it lets the test go on to its end."""

    timeout_option = "--duet-timeout"
    told: Told | None = None
    _measuring = False

    def open(self, **arguments: Any) -> Opened:
        try:
            plain = self.call("open", **arguments)
        except SubjectError as error:
            if "exit code" not in str(error):
                raise
            raise WorkerError(f"{error} The end of its log:\n{self._log_tail()}") from None  # pytest itself said why
        if isinstance(plain, dict) and set(plain) == set(Ended.__dataclass_fields__):
            raise TestEnded(Ended(**plain))
        self._measuring = True
        return self._decode(Opened, "open", plain)

    def close(self, patience_seconds: float = 0.0) -> None:
        try:
            if patience_seconds and self._measuring:
                self._measuring = False
                self.go_on()
                ended = Ended(**self.call("finish"))
                if self.told:
                    self.told.ended.append(ended)
                if any(report.get("outcome") == "failed" for report in ended.reports):
                    raise TestEnded(ended)
        finally:
            super().close(patience_seconds)


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
    :param session: :func:`pytest_duet.plugin.items.inner_session.described`.
    :param round_seconds: what a round is to take.
    :param plan: how much of its work a trial has; None where that is to be found out.
    :param exposed: a folder that holds this package alone, for another interpreter must not find ours beside it.
    """

    nodeid: str
    session: dict[str, Any]
    exposed: str
    round_seconds: float = ROUND_SECONDS
    plan: Plan | None = None
    told_by: Told = field(default_factory=Told)
    subject: str = SUBJECT
    rounds: int = 0

    def open_arguments(self) -> dict[str, Any]:
        plan = {"calls": self.plan.calls, "units": self.plan.units} if self.plan else None
        return {"nodeid": self.nodeid, "session": self.session, "plan": plan}

    def worker(self, number: int = 1) -> ItemWorker:
        made = ItemWorker(
            self.name,
            self.subject,
            self.python,
            self.timeout_seconds,
            self.threads,
            self.exposed,
            variables=same_luck(number),
        )
        made.told = self.told_by
        return made

    def at_revision(self, tree: str, name: str) -> Self:
        """Return this runner with its workers importing the project from another working tree, of that name."""
        revision = {"project": self.session["project"], "tree": tree, "tests": self.session["tests"], "name": name}
        return replace(self, session=dict(self.session, revision=revision))

    def planned(self, opened: Opened) -> Self:
        """Return the runner of a test of which a worker has found out how long its calls take."""
        allowed = Allowed(**opened.declared["allowed"])
        plan = make_plan(opened.declared["call_seconds"], allowed, self.round_seconds)
        return replace(self, plan=plan, rounds=plan.rounds)

    def look(self) -> tuple[Opened, Ended]:
        """Have the test run once, measured by nobody, and return what it is, and how it ended.

        :raises TestEnded: where it failed, was skipped, or never called ``benchmark``.
        """
        with self.worker() as worker:
            self.progress("a look at it")
            opened = worker.open(**self.open_arguments())
        return opened, self.told_by.ended.pop()
