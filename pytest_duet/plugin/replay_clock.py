"""The timer that pytest-benchmark reads: it shows the worker's time, not this process's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


class ReplayClock:
    """A clock that stands still but for the durations it is told to replay.

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
