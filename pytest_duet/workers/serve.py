"""Starts a worker, ``python -m pytest_duet.workers.serve …``, as :mod:`pytest_duet.workers.server` describes it.

Other revisions' workers are started by the same words, so this module's name, and what it is given, must stay.

Address space randomisation is switched off first, where Linux lets us (personality(2)), which takes a new start: so
nothing else is imported here.
"""

from __future__ import annotations

import os
import sys

from pytest_duet.sensors.layout import NO_RANDOMIZE, has_fixed_layout


def main() -> None:
    fix_address_layout()
    from pytest_duet.workers.server import main

    main()


def fix_address_layout() -> None:
    """Become the worker, without address space randomisation; return where it cannot be had, or there is none.

    Where the interpreter's and its libraries' code happens to lie decides which branches and cache lines collide. By
    the process, a loop in Python ran at one of two speeds 6 % apart, and trials of identical code scattered by 3.6 to
    4.5 %; without, by 0.3 to 1.3 %. Both sides have one layout of that code then, and nothing of it in their ratio.
    """
    if has_fixed_layout() is not False:
        return
    import ctypes

    process = ctypes.CDLL(None)
    now = process.personality(ctypes.c_ulong(0xFFFFFFFF))  # asks, and changes nothing
    if now != -1 and process.personality(ctypes.c_ulong(now | NO_RANDOMIZE)) != -1:
        os.execv(sys.executable, [sys.executable, "-m", "pytest_duet.workers.server", *sys.argv[1:]])


if __name__ == "__main__":
    main()
