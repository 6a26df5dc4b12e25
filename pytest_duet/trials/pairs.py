"""Paired trials: two live workers that take turns, so that whatever slows the machine slows both.

The workers are started and warmed one after the other. Started together, the second one stays slower for good: by 5 %
with JAX on two cores of a Xeon, with identical code on both sides. Which side starts alternates from trial to trial.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pytest_duet.errors import DuetError
from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.trials.blocks import Block, typical
from pytest_duet.trials.recorder import Recorder
from pytest_duet.trials.runner import Runner
from pytest_duet.trials.trial import Trial
from pytest_duet.trials.turns import WARM_ROUNDS, Cut, Turn, schedule
from pytest_duet.workers.hosted import Hosted

NEW, OLD = "new", "old"
# A turn that takes so many times as long as its side's longest in the warm-up may be waiting for the other side.
STALLED_TIMES, STALLED_SECONDS = 10, 5.0


@dataclass(frozen=True)
class Pair:
    """One paired trial.

    :param new: the side under test; its rounds are the sums of their turns.
    :param old: the side that it is compared with.
    :param blocks: what was compared, :class:`pytest_duet.trials.blocks.Block`; none where the sides took no turns.
    :param remarks: in sentences, why the side that waited may have worked on.
    :param wall_seconds: from the first worker's start to the last one's end.
    """

    new: Trial
    old: Trial
    blocks: tuple[Block, ...]
    remarks: tuple[str, ...] = ()
    wall_seconds: float = 0.0

    @property
    def ratio(self) -> float:
        """New over old, as most of the trial has it."""
        if self.blocks:
            return typical(self.blocks).ratio
        assert self.new.seconds and self.old.seconds
        return self.new.seconds / self.old.seconds


@dataclass(frozen=True)
class Taken:
    """A turn that both sides took, and the seconds that it took either."""

    turn: Turn
    new: float
    old: float


class Side:
    """One live side of a pair, warmed; once turns are taken, it stands still whenever it is not its turn."""

    def __init__(
        self,
        runner: Runner,
        worker: Hosted,
        sampler: MemorySampler,
        cut: Cut,
        stop: bool,
        first: Sequence[tuple[int, int | None]],
    ) -> None:
        self.recorder = Recorder(runner, worker, sampler)
        self.stop, self.restless = stop, set[int]()
        self._worker = worker
        self.recorder.round(1, first)
        self.longest = max(self.recorder.part(WARM_ROUNDS, *part) for part in cut.warm)
        self.recorder.drop_parts()

    def wait(self) -> None:
        if self.stop:
            self.restless.update(self._worker.stand_still())

    @contextmanager
    def awake(self) -> Iterator[Recorder]:
        self.go_on()
        yield self.recorder
        self.wait()

    def go_on(self) -> None:
        if self.stop:
            self._worker.go_on()


def run_pair(
    new: Runner,
    old: Runner,
    number: int,
    sampler: Callable[[], MemorySampler],
    cut: Cut,
    stop: bool = True,
    first: Sequence[tuple[int, int | None]] = (),
) -> Pair:
    """Return paired trial ``number``.

    :param cut: how a round is cut into turns, :func:`pytest_duet.trials.turns.cut_into_turns`.
    :param stop: whether the side that waits is stopped; not where the sides talk with each other, or with others.
    :param first: where each part of round 1, the warm-up, is to be told: their first steps and those to stop before.
    :raises WorkerError: where the old side's code is too old to take turns.
    :raises DuetError: where a trial is too short for two turns.
    """
    began = time.monotonic()
    samplers = {NEW: sampler(), OLD: sampler()}  # made before either worker: each other's memory is not foreign
    with ExitStack() as stack:
        sides: dict[str, Side] = {}
        for name, runner in ((NEW, new), (OLD, old))[:: 1 if number % 2 else -1]:
            new.progress(f"trial {number}, starting the {name} side")
            worker = stack.enter_context(runner.worker(number))
            stack.enter_context(samplers[name].watch(worker.pid))
            sides[name] = Side(runner, worker, samplers[name], cut, stop, first)
        for side in sides.values():  # not sooner: a start that waits for the other side could wait for ever
            side.wait()
        taken: list[Taken] = []
        remarks = []
        for of_round in schedule(cut, new.rounds, number):
            each = of_round[0].number
            new.progress(f"trial {number}, taking turns, {new.told(each)}")
            for turn in of_round:
                remark, seconds = take(turn, sides)
                remarks += [remark] if remark else []
                taken += [seconds] if seconds else []
            for side in sides.values():
                with side.awake() as recorder:
                    if each == WARM_ROUNDS:
                        recorder.drop_parts()  # it lacks what was warm-up
                    else:
                        recorder.end_round(each, examine=each == new.rounds)
        restless = sorted({pid for side in sides.values() for pid in side.restless})
        if restless:
            remarks.append(f"processes {', '.join(map(str, restless))} could not be stopped while their side waited.")
        trials = {name: side.recorder.trial() for name, side in sides.items()}
    blocks = blocks_of(taken)
    if not blocks:
        raise DuetError(
            f"{new.name}: in trial {number} the sides never took two turns of one length. Give more rounds or shorter "
            f"turns. {' '.join(remarks)}".rstrip()
        )
    return Pair(trials[NEW], trials[OLD], blocks, tuple(remarks), time.monotonic() - began)


def run_apart(new: Runner, old: Runner, number: int, sampler: Callable[[], MemorySampler]) -> Pair:
    """Return paired trial ``number`` of sides with too few rounds for turns: one whole trial after the other.

    What slows the machine for longer than a trial slows both; who is first alternates.
    """
    began = time.monotonic()
    done = {name: runner.run(number, sampler) for name, runner in ((NEW, new), (OLD, old))[:: 1 if number % 2 else -1]}
    return Pair(done[NEW], done[OLD], (), wall_seconds=time.monotonic() - began)


def take(turn: Turn, sides: dict[str, Side]) -> tuple[str, Taken | None]:
    """Have both sides do the steps of a turn; return what was odd, in a sentence, and the seconds where nothing was.

    A side that cannot go on while the other stands still, such as for a lock that both want, would wait for ever: then
    both are let go, and neither is stopped again.
    """
    seconds = {}
    for name in (NEW, OLD) if turn.new_first else (OLD, NEW):
        side, other = sides[name], sides[OLD if name == NEW else NEW]
        patience = max(STALLED_SECONDS, STALLED_TIMES * side.longest)
        stalled = threading.Event()

        def let_go(other: Side = other, stalled: threading.Event = stalled) -> None:
            stalled.set()
            other.go_on()

        watch = threading.Timer(patience, let_go)
        watch.start()
        try:
            with side.awake() as recorder:
                seconds[name] = recorder.part(turn.number, turn.first, turn.stop)
        finally:
            watch.cancel()
        if stalled.is_set() and side.stop:
            for each in sides.values():
                each.go_on()
                each.stop = False
            return (
                f"a turn of the {name} side was not over after {patience:.0f} s while the other one stood still, as if "
                "it waited for it: that turn was left out, and from then on neither side was stopped."
            ), None
    return "", Taken(turn, seconds[NEW], seconds[OLD])


def blocks_of(taken: Iterable[Taken]) -> tuple[Block, ...]:
    """Return the blocks of which both turns came about, in their order."""
    of_block: dict[int, list[Taken]] = {}
    for each in taken:
        if each.turn.block is not None:
            of_block.setdefault(each.turn.block, []).append(each)
    found = []
    for pair in of_block.values():
        if len(pair) == 2:
            trailing, leading = sorted(pair, key=lambda each: each.turn.new_first)
            found.append(Block(leading.new, leading.old, trailing.new, trailing.old))
    return tuple(found)
