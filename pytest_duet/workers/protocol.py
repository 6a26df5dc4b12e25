"""What a worker hosts, a subject, and what each of its calls gives; both ends of the pipe import this file.

Everything here crosses the pipe as JSON: the worker writes ``dataclasses.asdict(...)``, the parent reads it with
:func:`decode`. Change ``PROTOCOL`` with every change that an older revision's worker would not understand.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field, fields
from typing import Any, Callable, Dict, Optional, Type, TypeVar

from pytest_duet.errors import DuetError

PROTOCOL = 3
NEWER = {"newer": True}  # metadata of a field that came later than this protocol
T = TypeVar("T")


class FromWorker(DuetError):
    """What went wrong with a worker, for people, and in parts for programs that tell it in their own words.

    :ivar happened: what happened, in two parts, between which stands in which call: ("died of SIGSEGV", "").
    :ivar cause: "no start", "timeout", "exit", "raised", "nonsense", or the name of the signal that it died of.
    :ivar log_tail: the end of its log.
    """

    def __init__(self, text: str, happened: tuple[str, str] | None = None, cause: str = "", log_tail: str = "") -> None:
        super().__init__(text)
        self.happened = happened or (text, "")
        self.cause, self.log_tail = cause, log_tail


class WorkerError(FromWorker):
    """A worker crashed, hung, raised or answered nonsense; the text says which, with the tail of its log."""


class SubjectError(WorkerError):
    """The subject broke its interface; the text says how, without a full stop."""


class GpuUnseen(SubjectError):
    """A GPU was asked for, and what the subject stands on sees none; the text is as above."""


class NotInstalled(FromWorker):
    """What the subject stands on is not installed where the worker runs: a reason to skip it."""


class WrongHardware(FromWorker):
    """The subject can never run on this machine's hardware: a reason to skip it."""


ON_PURPOSE = {kind.__name__: kind for kind in (SubjectError, GpuUnseen, NotInstalled, WrongHardware)}


@dataclass(frozen=True)
class Reading:
    """Memory, in bytes, as the worker itself can tell it; None for what it cannot.

    :param host_peak_rss_bytes: most physical memory held since the round's start (Linux: VmHWM).
    :param allocator_peak_bytes: most that live arrays took on the device, by the subject's own account.
    :param allocator_reserved_bytes: the pool that its allocator holds there.
    """

    host_peak_rss_bytes: int | None = None
    allocator_peak_bytes: int | None = None
    allocator_reserved_bytes: int | None = None


@dataclass(frozen=True)
class Opened:
    """What a subject is and where it runs.

    :param device: ``"cpu"``, or ``"gpu:"`` and the GPU's name.
    :param versions: by the name of the module.
    :param scheduling: Linux's name of the scheduling policy; None elsewhere.
    :param threads: how many it was asked to use, may use, and says that it uses.
    :param declared: what the subject says of itself, for whoever knows it.
    """

    device: str
    versions: dict[str, Any]
    python: str
    scheduling: str | None
    threads: dict[str, Any]
    import_seconds: float
    build_seconds: float
    memory: Reading
    declared: dict[str, Any] = field(default_factory=dict)
    protocol: int = PROTOCOL


@dataclass(frozen=True)
class Timed:
    """A round, or a part of one.

    :param number: of the round; the first is 1.
    :param seconds: wall time by the worker's own clock; ``cpu_seconds`` is that of all its threads meanwhile.
    :param involuntary_switches: how often the scheduler took a core from it meanwhile; None where nobody counts.
    :param lag_seconds: for how long the device worked on after the clock was stopped; None where nobody looked.
    :param metrics: a round's are the mean of its parts', each weighed by its ``work``.
    :param work: how much was done, in the subject's own unit.
    :param driver_lag_seconds: as ``lag_seconds``, by CUDA's driver right after the clock; None where it is not at work.
    """

    number: int
    seconds: float
    cpu_seconds: float
    involuntary_switches: int | None
    lag_seconds: float | None = None
    memory: Reading = Reading()
    metrics: dict[str, float] = field(default_factory=dict)
    work: float = 1.0
    driver_lag_seconds: float | None = field(default=None, metadata=NEWER)


@dataclass(frozen=True)
class Examined:
    """What an untimed look found: ``metrics``, and ``evidence`` of correctness for whoever can judge it.

    What is too large for a line goes as files into the folder that the subject was given.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sustained:
    """How many rounds were done back to back, and in how many seconds."""

    rounds: int
    seconds: float


class Subject:
    """What is measured. It lives in a worker, and may have calls of its own beside these.

    Where it cannot be measured it raises :class:`NotInstalled`, :class:`WrongHardware` or :class:`SubjectError`.

    :ivar serve_meanwhile: set by a worker: answers the call that is under way with what it is given, serves all that
        come then, and returns the request once it is told to ``finish`` (or, by a second argument, another call); None
        where nobody asks any more. What the first call returns at last is the answer to that request.
    """

    serve_meanwhile: Callable[..., Optional[Dict[str, Any]]]

    def open(self, **arguments: Any) -> Opened:
        """Make everything ready; untimed, but for what :class:`Opened` tells of it."""
        raise NotImplementedError

    def round(self, number: int, first: int = 0, stop: int | None = None) -> Timed:
        """Do round ``number`` (the first is 1), with the clock around the work and nothing else.

        :param first: the step to begin with, where only a part of the round is to be done.
        :param stop: the step to stop before; None for the round's end.
        """
        raise NotImplementedError

    def examine(self, folder: str, last: bool) -> Examined:
        """Account for what was done so far; untimed.

        :param folder: for files that go with the answer; the measurer reads them before it asks for anything else.
        :param last: whether no round will follow.
        """
        return Examined()

    def sustain(self, seconds: float) -> Sustained:
        """Do the last round over and over, for so long and until it is done; after all that is examined.

        It is asked for where a device's energy is counted; a subject that cannot repeat a round does none.
        """
        return Sustained(0, 0.0)

    def close(self) -> None:
        """Let go of everything; the process ends after it."""


def load_subject(location: str) -> Subject:
    """Return a new subject of the class at ``"module:Class"``."""
    module, _, name = location.partition(":")
    subject: Subject = getattr(importlib.import_module(module), name)()
    return subject


def decode(kind: Type[T], plain: Any) -> T:
    """Return the dataclass that ``dataclasses.asdict`` made these plain values of.

    One that is ``NEWER`` than the protocol may be missing: the worker of an older revision has not heard of it.

    :raises ValueError: where they are not of its fields and types; the text says which one.
    """
    known = fields(kind)  # type: ignore[arg-type]
    of = {each.name: str(each.type) for each in known}
    told = {each.name for each in known if not each.metadata.get("newer")}
    if not isinstance(plain, dict) or not told <= set(plain) <= set(of):
        said = ", ".join(plain) if isinstance(plain, dict) else type(plain).__name__
        raise ValueError(f"{kind.__name__} has the fields {', '.join(of)}; it gave {said}")
    wrong = [name for name, value in plain.items() if not any(_IS[each](value) for each in of[name].split(" | "))]
    if wrong:
        raise ValueError(f"{kind.__name__}.{wrong[0]} is {plain[wrong[0]]!r}, not {of[wrong[0]]}")
    return kind(**{name: decode(Reading, value) if of[name] == "Reading" else value for name, value in plain.items()})


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# By an annotation's text: an older Python cannot evaluate it. JSON has one kind of number.
_IS: Dict[str, Callable[[Any], bool]] = {
    "int": _is_number,
    "float": _is_number,
    "str": lambda value: isinstance(value, str),
    "None": lambda value: value is None,
    "Reading": lambda value: isinstance(value, dict),
    "dict[str, Any]": lambda value: isinstance(value, dict),
    "dict[str, float]": lambda value: isinstance(value, dict) and all(map(_is_number, value.values())),
}
