"""Counts what a call does where that is the same every time: a change that no clock can tell from noise shows there."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any

EVENTS = {"call": "Python calls", "c_call": "calls of built-in functions"}  # of sys.setprofile, in this thread
PEAK = "bytes that Python holds for it at the most"


def count(function: Callable[[], Any]) -> dict[str, float | None]:
    """Return how much there is of everything in a call, by name; None where two calls do not agree about it.

    The function is called some times, without a clock; what the first call caches is in none of the counts.
    """
    function()
    nothing = _count(lambda: None)
    first, second = (_count(function) for _ in range(2))
    return {name: float(value - nothing[name]) if first[name] == value else None for name, value in second.items()}


def _count(function: Callable[[], Any]) -> dict[str, int]:
    calls = _calls(function)
    return {**{name: calls[event] for event, name in EVENTS.items()}, **_held(function)}


def _calls(function: Callable[[], Any]) -> Counter[str]:
    counts: Counter[str] = Counter()
    before, enabled = sys.getprofile(), gc.isenabled()
    gc.disable()  # else what others left behind is counted, whenever it happens to be collected
    sys.setprofile(lambda frame, event, argument: counts.update((event,)))
    try:
        function()
    finally:
        sys.setprofile(before)
        if enabled:
            gc.enable()
    return counts


def _held(function: Callable[[], Any]) -> dict[str, int]:
    if tracemalloc.is_tracing():  # somebody else's, who has a use for it
        return {}
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        function()
        return {PEAK: tracemalloc.get_traced_memory()[1] - before}
    finally:
        tracemalloc.stop()
