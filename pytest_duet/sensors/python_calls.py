"""Counts what Python does for some work: it tells work that Python drives from work that it never sees."""

from __future__ import annotations

import gc
import sys
import threading
from types import FrameType
from typing import Any, Callable


def count_python(work: Callable[[], object]) -> dict[str, int]:
    """Run ``work`` twice and return how many calls Python made, and how many lines it executed, in the lesser run.

    The lesser, since whatever happens but once (a cache that fills, a module that is imported) is not the work's own.
    Counted are this thread and new ones.

    Calls are counted by ``sys.setprofile``, which sees Python's functions and the usual built-in ones, but not those of
    every extension module (nanobind's, for one); lines by ``sys.settrace``.
    """
    first, second = _count(work), _count(work)
    return {name: min(first[name], second[name]) for name in first}


def _count(work: Callable[[], object]) -> dict[str, int]:
    counts = {"calls": 0, "lines": 0}

    def count_call(frame: FrameType, event: str, argument: Any) -> None:
        counts["calls"] += event in ("call", "c_call")

    def count_line(frame: FrameType, event: str, argument: Any) -> Any:
        counts["lines"] += event == "line"
        return count_line

    gc.collect()
    gc.disable()  # finalizers would be counted
    for module in (threading, sys):
        module.setprofile(count_call)
        module.settrace(count_line)
    try:
        work()
    finally:
        for module in (sys, threading):
            module.settrace(None)
            module.setprofile(None)
        gc.enable()
    return counts
