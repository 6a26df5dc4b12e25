"""What others used of the cores while a worker was at work."""

from __future__ import annotations

import os
from typing import NamedTuple, Sequence

from pytest_duet.sensors.clock import now_seconds
from pytest_duet.sensors.cpu import cpu_seconds_of, machine_usage, own_cores, process_usage, session_seconds
from pytest_duet.sensors.memory import id_in_proc


class Load(NamedTuple):
    """Wall seconds, and CPU seconds meanwhile.

    :param foreign_seconds: of others, stolen ones included.
    :param stolen_seconds: those that a hypervisor stole.
    :param helpers_seconds: of the worker's helpers.
    """

    seconds: float
    foreign_seconds: float
    stolen_seconds: float
    helpers_seconds: float


class ForeignLoad:
    """Counts the CPU time that neither the worker, nor its helpers, nor this process used, from now to :meth:`stop`.

    A worker's helpers are the other processes of its session, such as a compiler's; what one of them used that ended
    and was not waited for is lost, and counts as others'.

    :param pid: the worker's; this process's own where the subject has no worker.
    :param cores: the numbers of those that nobody else should use; None for those that this process may use. Activity
        on other cores is ignored.
    """

    def __init__(self, pid: int, cores: Sequence[int] | None = None) -> None:
        self._pid, self._in_process, self._cores = pid, pid == os.getpid(), cores or own_cores()
        self._session = None if self._in_process else id_in_proc(pid)
        self._helpers = self._helpers_seconds()
        self._start, self._machine = now_seconds(), machine_usage(cores=self._cores)
        self._own, self._worker = process_usage(), cpu_seconds_of(pid)

    def stop(self) -> Load | None:
        """Return the :class:`Load` since the start; None where the kernel does not tell."""
        worker = cpu_seconds_of(self._pid)
        seconds, now = now_seconds() - self._start, machine_usage(cores=self._cores)
        if now is None or self._machine is None or worker is None or self._worker is None:
            return None
        ours = (process_usage() - self._own).cpu_seconds
        machine = now - self._machine
        helpers = 0.0
        if not self._in_process:
            helpers = max(0.0, self._helpers_seconds() - self._helpers)
            ours += worker - self._worker + helpers
        return Load(seconds, machine.busy_seconds + machine.steal_seconds - ours, machine.steal_seconds, helpers)

    def _helpers_seconds(self) -> float:
        return 0.0 if self._session is None else session_seconds(self._session) or 0.0
