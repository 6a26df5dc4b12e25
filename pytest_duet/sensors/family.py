"""A worker and its helpers, the other processes of its session: the memory that they hold together."""

from __future__ import annotations

import os
import time
from typing import Iterable

from pytest_duet.sensors.cpu import session_processes
from pytest_duet.sensors.memory import KIB, id_in_proc, rss_bytes

# Between two looks at all processes of the machine, and at helpers' pages, which take 2 ms each: beside timed work, and
# where nothing is timed.
LOOK_SECONDS, IDLE_LOOK_SECONDS = 1.0, 0.2


class Family:
    """The processes of the session that a worker leads; itself alone where that is pytest's own process.

    :param pid: the worker's.
    :ivar helpers: the ids of the others, as /proc counts, when last seen.
    """

    def __init__(self, pid: int) -> None:
        self._leader = id_in_proc(pid)
        self._alone = pid == os.getpid() or self._leader is None
        self.helpers: frozenset[int] = frozenset()
        self._looked, self._beyond = float("-inf"), 0

    def memory_bytes(self, look_seconds: float = LOOK_SECONDS) -> int | None:
        """Return the physical memory that all of them hold, each page once; None where nobody can tell.

        :param look_seconds: how old what is known of the helpers may be.
        """
        if not self._alone and time.monotonic() >= self._looked + look_seconds:
            self._look()
            self._looked = time.monotonic()
        own = rss_bytes(self._leader)
        return None if own is None else own + self._beyond

    def _look(self) -> None:
        assert self._leader is not None
        try:
            found = frozenset(pid for pid, _ in session_processes(self._leader))
        except OSError:  # not Linux
            found = frozenset()
        self.helpers = found - {self._leader}
        self._beyond = beyond(self._leader, self.helpers) if self.helpers else 0


def beyond(leader: int, helpers: Iterable[int], proc: str = "/proc") -> int:
    """Return the bytes that helpers hold and their leader does not.

    A page that several share counts in parts with each (PSS, proc(5)), so that the sum over all counts it once. What
    was read from files is left out: libraries, mostly, that other workers map as well.
    """
    own = _rollup(leader, proc)
    theirs = [_rollup(helper, proc) for helper in helpers]
    anonymous = sum(each.get("Pss_Anon", 0) for each in [own, *theirs]) - own.get("Anonymous", 0)
    return max(0, anonymous) + sum(each.get("Pss_Shmem", 0) for each in theirs)


def _rollup(pid: int, proc: str) -> dict[str, int]:
    """Return the sums over a process's pages, in bytes, by the kernel's names; none where it is gone, or hidden."""
    found = {}
    try:
        with open(f"{proc}/{pid}/smaps_rollup") as file:
            for line in file:
                name, _, value = line.partition(":")
                if value.endswith("kB\n"):
                    found[name] = int(value.split()[0]) * KIB
    except (OSError, ValueError):
        return {}
    return found
