"""Counts what Python does while a trainer works: it tells a step that Python drives from one that it never sees."""

from __future__ import annotations

import gc
import sys
import threading


def count_python(work):
    """Run ``work`` and return how many calls Python made, and how many lines it executed, in this and in new threads.

    Calls are counted by ``sys.setprofile``, which sees Python's functions and the usual built-in ones, but not those of
    every extension module (nanobind's, for one); lines by ``sys.settrace``.
    """
    counts = {"calls": 0, "lines": 0}

    def count_call(frame, event, argument):
        counts["calls"] += event in ("call", "c_call")

    def count_line(frame, event, argument):
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
