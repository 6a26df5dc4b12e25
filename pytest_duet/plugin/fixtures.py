"""The fixtures that a suite's benchmarks are written with."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_duet.plugin import compat
from pytest_duet.plugin.marker import is_benchmark
from pytest_duet.plugin.session import GATE

if TYPE_CHECKING:
    from pytest_duet.plugin.gate_options import GateOptions
    from pytest_duet.plugin.progress import Progress
    from pytest_duet.plugin.settling import Measure
    from pytest_duet.record.row import Row
    from pytest_duet.trials.other_side import Other


class ReplayClock:
    """The timer that pytest-benchmark reads: it stands still but for the durations it is told to replay.

    pytest-benchmark reads its timer before and after each round. With this timer, and :meth:`advance` as the function
    it runs, it sees exactly the durations that the workers measured; neither a pipe nor pytest is in them.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._reads = 0
        self._durations: Iterator[float] = iter(())

    def __call__(self) -> float:
        """Return the time in seconds, as ``time.perf_counter`` does."""
        self._reads += 1
        return self._now

    def advance(self) -> None:
        """Let the next recorded duration pass."""
        self._now += next(self._durations, 0.0)  # --benchmark-cprofile calls once more than there are rounds

    def replay(self, benchmark: Any, durations: Iterable[float]) -> None:
        """Hand recorded durations, in seconds, to a ``benchmark`` fixture whose timer this is, one a round.

        :raises RuntimeError: where the fixture was built before this clock and so reads another one.
        """
        durations = list(durations)
        self._durations, before = iter(durations), self._reads
        benchmark.pedantic(self.advance, rounds=len(durations))
        if not benchmark.disabled and self._reads == before:
            raise RuntimeError("the `duet` fixture must come before `benchmark`: these times are not the workers'")


class Duet:
    """What a benchmark does with what its workers measured.

    :param benchmark: pytest-benchmark's own fixture, which reads ``clock``.
    """

    def __init__(self, item: pytest.Item, benchmark: Any, clock: ReplayClock) -> None:
        self.benchmark = benchmark
        self._item, self._clock, self._gate = item, clock, item.config.stash[GATE]

    @property
    def options(self) -> GateOptions:
        return self._gate.options

    @property
    def disabled(self) -> bool:
        """Whether everything is to run once and untimed, ``--benchmark-disable``."""
        return bool(self.benchmark.disabled)

    def rename(self, old: str, new: str) -> None:
        """Say that something else is measured than was asked for, by another parameter id of this test.

        pytest-benchmark compares by name alone, and times of different work must never be compared.
        """
        compat.rename(self.benchmark, old, new)
        self._gate.rename(self._item.nodeid, self.benchmark.fullname)

    def settled(self, row: Row, measure: Measure) -> Row:
        """Return a row, measured again where ``--gate`` finds that history leaves its time open.

        :param measure: runs paired trials with the code of an accepted run, for as long as more of them are wanted, and
            returns their row; a DuetError of it says that this cannot be.
        """
        return self._gate.measure_again(self._item, row, measure)

    def publish(self, group: str, row: Row, seconds: Iterable[float], **extra_info: Any) -> None:
        """Have a row in the tables and the saved run, and the gate judge it.

        :param group: the heading that pytest-benchmark shows it under.
        :param seconds: each round's duration, as the workers' own clocks told.
        :param extra_info: what else is to be saved, beside the row.
        """
        self.benchmark.group = group
        self.benchmark.extra_info.update(extra_info, duet=row.as_json())
        self._gate.publish(self._item.nodeid, self.benchmark.fullname, row, self.benchmark.extra_info)
        self._clock.replay(self.benchmark, seconds)


@pytest.fixture
def duet_clock(request: pytest.FixtureRequest) -> ReplayClock:
    """The timer that pytest-benchmark reads in this test; it takes its timer when its fixture is built."""
    clock = ReplayClock()
    request.node.add_marker(pytest.mark.benchmark(timer=clock))
    return clock


@pytest.fixture
def duet(
    request: pytest.FixtureRequest, duet_progress: Progress, duet_clock: ReplayClock, benchmark: Any
) -> Generator[Duet]:  # the clock before the benchmark
    """What a benchmark does with what its workers measured, :class:`Duet`; for tests that carry the marker."""
    if not is_benchmark(request.node):
        pytest.fail("the fixture `duet` is for tests that carry the marker `@pytest.mark.duet`", pytrace=False)
    yield Duet(request.node, benchmark, duet_clock)
    duet_progress.clear()


@pytest.fixture(scope="session")
def duet_progress(pytestconfig: pytest.Config) -> Generator[Progress]:
    """Call it with a line of text to show what is going on; silent where nobody watches."""
    from pytest_duet.plugin.progress import Progress

    line = Progress(pytestconfig)
    yield line
    line.clear()


@pytest.fixture(scope="session")
def duet_new(pytestconfig: pytest.Config) -> Generator[Other]:
    """The new side, ``--new``; by default, this interpreter and the working tree."""
    from pytest_duet.trials.other_side import open_other

    with open_other(pytestconfig.getoption("duet_new"), option="--new") as new:
        yield new


@pytest.fixture(scope="session")
def duet_other(pytestconfig: pytest.Config) -> Generator[Other]:
    """The other side of ``--against``, :class:`pytest_duet.trials.other_side.Other`."""
    from pytest_duet.trials.other_side import open_other

    with open_other(pytestconfig.getoption("duet_against")) as other:
        yield other
