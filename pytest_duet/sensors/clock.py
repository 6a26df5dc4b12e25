"""The clocks of this process, taken before anything that is measured could replace them.

On Linux, macOS and Windows ``time.perf_counter`` is one clock for all processes of a machine (PEP 418), so what a
worker reads from it has to lie between what its parent reads before and after.
"""

from __future__ import annotations

import time
from typing import Callable, Dict

NAMES = ("perf_counter", "monotonic", "process_time", "thread_time", "time")
# In a dictionary, for freezegun replaces those that are attributes of modules, of all of them.
_TAKEN: Dict[str, Callable[[], float]] = {
    name: getattr(time, name) for each in NAMES for name in (each, f"{each}_ns") if hasattr(time, name)
}


def now_seconds() -> float:
    """Return the clock that all processes of the machine share, by the function that was there at the start."""
    return _TAKEN["perf_counter"]()


def replaced() -> list[str]:
    """Return the functions of :mod:`time` that are not those of the process's start any more."""
    return [f"time.{name}" for name, function in _TAKEN.items() if getattr(time, name, None) is not function]
