"""How long a session may take turns: ``--budget``, shared out among its benchmarks as they come."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def parse_seconds(text: str) -> float:
    """Return the seconds that ``"300"``, ``"90s"``, ``"5m"`` or ``"1.5h"`` means.

    :raises ValueError: for anything else.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text)
    if not found or not float(found[1]):
        raise ValueError(f"{text!r} is no time such as 90s, 5m or 1h")
    return float(found[1]) * UNITS[found[2]]


class Budget:
    """A benchmark gets an equal share of what is left, so what one needs less of, those after it have.

    :param seconds: of the session, from its first benchmark on.
    :param nodes: the benchmarks that are to come.
    :param clock: in seconds.
    """

    def __init__(self, seconds: float, nodes: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._waiting = set(nodes)
        self._end: float | None = None
        self._until = 0.0

    def begin(self, *nodes: str) -> None:
        """Benchmarks begin, several at once: nothing happens for what is none, or has begun."""
        begun = self._waiting.intersection(nodes)
        if begun:
            now = self._clock()
            self._end = now + self._seconds if self._end is None else self._end
            self._until = now + max(0.0, self._end - now) * len(begun) / len(self._waiting)
            self._waiting -= begun

    def share(self, costs: Mapping[str, tuple[float, float]]) -> list[str]:
        """Return which benchmarks are to have another trial: as many as can come to an answer, the nearest to it first.

        What time there is answers some of them rather than none of them. Where it is too short for any answer, those
        have it whose next trial it is long enough for.

        :param costs: the seconds of a benchmark's next trial, and those until its next answer is thought to be there.
        """
        nearest = sorted(costs, key=lambda node: costs[node][1])
        return self._first(nearest, [costs[node][1] for node in nearest]) or self._first(
            list(costs), [each for each, _ in costs.values()]
        )

    def _first(self, nodes: list[str], seconds: list[float]) -> list[str]:
        return [node for node, until in zip(nodes, accumulate(seconds)) if self.allows(until)]

    def allows(self, seconds: float) -> bool:
        """Tell whether the benchmarks that began last may take so many seconds more."""
        return self._clock() + seconds <= self._until
