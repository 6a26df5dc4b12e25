"""Has a worker's processes stand still while another worker's turn is timed.

What waits may still work: the threads of a pool spin for a while after their last product, on the cores that the other
side now needs. NumPy's turns (OpenBLAS) took 40 to 75 % longer beside a waiting NumPy than after a stopped one.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from pytest_duet.sensors.cpu import session_processes
from pytest_duet.sensors.memory import id_in_proc

STANDING = (b"T", b"t", b"Z", b"X")  # stopped, stopped by a tracer, or dead (proc_pid_stat(5))
PATIENCE_SECONDS = 0.2
LOOK_SECONDS = 1.0  # between two looks at all processes: they take 2 ms, and turns are short


class Standstill:
    """Stops the processes of the session that ``leader`` leads, a process group as long as none of them changed it.

    Another user's cannot be stopped. Whoever left the session is not found; where there is no Linux's /proc, or only
    that of an outer namespace, nobody looks.
    """

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._in_sight = os.path.isdir("/proc/self") and id_in_proc(leader) == leader
        self._looked = 0.0
        self._others: list[int] = []  # that have a group of their own, when last seen

    def stop(self) -> list[int]:
        """Stop them all, and return those that were seen to go on nevertheless, sorted."""
        began = time.monotonic()
        if not self._in_sight or began < self._looked + LOOK_SECONDS:
            self._tell(signal.SIGSTOP)
            return []
        self._looked = began
        while True:
            running = self._look()
            if not running or time.monotonic() > began + PATIENCE_SECONDS:
                return sorted(running)
            self._tell(signal.SIGSTOP)  # again and again: one may have forked before it stopped

    def go_on(self) -> None:
        """Let them go on; nothing happens where there are none left."""
        self._tell(signal.SIGCONT)

    def _look(self) -> list[int]:
        """Return who runs; the others are found anew, for an old number may be a stranger's by now."""
        seen = list(session_processes(self._leader))
        self._others = [pid for pid, fields in seen if int(fields[2]) != self._leader]
        return [pid for pid, fields in seen if fields[0] not in STANDING]

    def _tell(self, what: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._leader, what)
        for pid in self._others:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, what)
