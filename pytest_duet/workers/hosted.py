"""A subject as its measurer sees it, wherever it is hosted: the protocol's calls, their answers decoded.

:class:`pytest_duet.workers.process.Worker` hosts it in a process of its own, :class:`InProcess` in this one.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import Any, NoReturn, Type, TypeVar

from pytest_duet.sensors.clock import now_seconds
from pytest_duet.workers import protocol
from pytest_duet.workers.protocol import ON_PURPOSE, Examined, Opened, SubjectError, Sustained, Timed, WorkerError
from pytest_duet.workers.server import as_plain

T = TypeVar("T")
CLOCK_SLACK_SECONDS = 1e-3  # by which two processes' readings of one clock may disagree


@dataclass(frozen=True)
class Span:
    """How long a call took, in seconds.

    :param seconds: by this process's clock, from the request to the reply.
    :param worker_seconds: by the worker's, from reading the one to writing the other.
    :param replaced: the functions of :mod:`time` that the subject has replaced by then.
    """

    seconds: float
    worker_seconds: float
    replaced: tuple[str, ...] = ()


class Hosted:
    """A hosted subject, a context manager: leaving it ends the subject. The calls are those of :class:`Subject`.

    :ivar name: the subject's, for messages.
    :ivar pid: of the process that it lives in.
    :ivar folder: for files that go with its answers.
    :ivar span: how long the last call took.
    """

    name: str
    pid: int
    folder: str
    span: Span

    def __enter__(self: T) -> T:
        return self

    def __exit__(self, error: Type[BaseException] | None, *_: object) -> None:
        raise NotImplementedError

    def call(self, call: str, **arguments: Any) -> Any:
        """Ask the subject for one call, one of its own too, and return its plain result.

        :raises NotInstalled: where something that it stands on is missing; :class:`WrongHardware` likewise.
        :raises WorkerError: for everything else that can go wrong.
        """
        raise NotImplementedError

    def open(self, **arguments: Any) -> Opened:
        plain = self.call("open", **arguments)
        spoken = plain.get("protocol") if isinstance(plain, dict) else None
        if spoken != protocol.PROTOCOL:
            raise WorkerError(
                f"{self.name}: its worker's code speaks protocol {spoken}, and this session's {protocol.PROTOCOL}. "
                "The other revision cannot take turns with this one; choose a later one."
            )
        return self._decode(Opened, "open", plain)

    def round(self, number: int, first: int = 0, stop: int | None = None) -> Timed:
        return self._decode(Timed, "round", self.call("round", number=number, first=first, stop=stop))

    def examine(self, last: bool) -> Examined:
        return self._decode(Examined, "examine", self.call("examine", folder=self.folder, last=last))

    def sustain(self, seconds: float) -> Sustained:
        return self._decode(Sustained, "sustain", self.call("sustain", seconds=seconds))

    def hurry(self, seconds: float) -> None:
        """Let each reply from now on take so long at the most, however much longer the worker was given."""

    @property
    def secluded(self) -> bool | None:
        """Whether nothing that it writes outlives it; None where nobody can tell."""
        return False

    def stand_still(self) -> list[int]:
        """Have its processes take no core until :meth:`go_on`, and return those that go on nevertheless."""
        return []

    def go_on(self) -> None:
        """Let them go on."""

    def _decode(self, kind: Type[T], call: str, plain: Any) -> T:
        try:
            return protocol.decode(kind, plain)
        except ValueError as error:
            self._fail("answered", f" with nonsense: {error}", f" {call}", "nonsense")

    def _fail(self, what: str, more: str, where: str, cause: str, happened: str = "") -> NoReturn:
        """Raise what happened to the worker, in which call (``where``), and what ``more`` there is to say.

        :param happened: the same as ``what`` without the call, where it is no part of the sentence's beginning.
        """
        tail = self._log_tail()
        tail = f"The end of its log:\n{tail}" if tail else ""
        text = "\n".join(filter(None, [f"{self.name}: the worker {what}{where}{more}.", tail]))
        raise WorkerError(text, (happened or what, more), cause, tail)

    def _log_tail(self) -> str:
        return ""

    def _on_purpose(self, kind: str, text: str) -> None:
        """Raise, with the subject's name, what it raised on purpose; nothing happens where it was something else."""
        if kind in ON_PURPOSE:
            stop = "." if issubclass(ON_PURPOSE[kind], SubjectError) else ""
            raise ON_PURPOSE[kind](f"{self.name}: {text}{stop}", (text, ""))


class InProcess(Hosted):
    """A subject in this very process, for debuggers (``--isolation=none``); what it raises keeps its own traceback."""

    def __init__(self, name: str, subject: str) -> None:
        self.name, self.pid = name, os.getpid()
        self._scratch = tempfile.TemporaryDirectory(prefix="benchmark-subject-")
        self.folder = self._scratch.name
        self._subject = protocol.load_subject(subject)

    def __exit__(self, *_: object) -> None:
        self._subject.close()
        self._scratch.cleanup()

    def call(self, call: str, **arguments: Any) -> Any:
        began = now_seconds()
        try:
            found = as_plain(getattr(self._subject, call)(**arguments))
            took = now_seconds() - began
            self.span = Span(took, took)
            return found
        except tuple(ON_PURPOSE.values()) as error:
            self._on_purpose(type(error).__name__, str(error))
            raise
