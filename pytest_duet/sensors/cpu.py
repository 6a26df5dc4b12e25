"""CPU time and context switches: this process's own, and what the rest of the machine took meanwhile.

Two rounds of equal wall time but different CPU time are different results, and so is the reverse; and a round beside
which others used the cores is no result at all. Linux tells all of it; elsewhere the machine's part is None.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator, Sequence

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


CPU_CLOCK = 2  # Linux's CPUCLOCK_SCHED, of a whole process


@dataclass(frozen=True)
class Usage:
    """CPU seconds of all threads, and switches that the scheduler forced, of one process since its start."""

    cpu_seconds: float
    involuntary_switches: int | None

    def __sub__(self, earlier: Usage) -> Usage:
        switches = None
        if self.involuntary_switches is not None and earlier.involuntary_switches is not None:
            switches = self.involuntary_switches - earlier.involuntary_switches
        return Usage(self.cpu_seconds - earlier.cpu_seconds, switches)


def process_usage() -> Usage:
    """Return what this process used so far."""
    if resource is None:
        times = os.times()
        return Usage(times.user + times.system, None)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(used.ru_utime + used.ru_stime, used.ru_nivcsw)


def cpu_seconds_of(pid: int) -> float | None:
    """Return the CPU seconds of all threads of a process so far, by the kernel's own count; None where it tells nobody.

    Linux has a clock for each process, clock_getcpuclockid(3), whose number is made of the process's.
    """
    try:
        return time.clock_gettime(~pid << 3 | CPU_CLOCK)
    except (AttributeError, OSError):  # not Linux, or it has ended
        return None


@dataclass(frozen=True)
class MachineUsage:
    """CPU seconds that all processes used, and that a hypervisor took away ("steal"), since the machine started."""

    busy_seconds: float
    steal_seconds: float

    def __sub__(self, earlier: MachineUsage) -> MachineUsage:
        return MachineUsage(self.busy_seconds - earlier.busy_seconds, self.steal_seconds - earlier.steal_seconds)


def machine_usage(stat: str | Path = "/proc/stat", cores: Sequence[int] | None = None) -> MachineUsage | None:
    """Return what was used so far, summed over all cores; None where the kernel does not tell.

    Resolution: one tick (10 ms) a core. Guest time is already part of user time (proc(5)).

    :param cores: the numbers of those that count; None for all.
    """
    wanted = {"cpu"} if cores is None else {f"cpu{core}" for core in cores}
    try:
        with open(stat) as file:
            lines = [line.split() for line in file if line.startswith("cpu")]
        ticks = [list(map(int, numbers[:8])) for name, *numbers in lines if name in wanted]
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(sum, zip(*ticks))
    except (OSError, ValueError):
        return None
    second = os.sysconf("SC_CLK_TCK")
    return MachineUsage((user + nice + system + irq + softirq) / second, steal / second)


def session_processes(session: int, proc: str | Path = "/proc") -> Iterator[tuple[int, list[bytes]]]:
    """Yield the id of each process of a session (setsid(2)) and the fields of its stat from the state on, proc(5).

    :param session: its leader's id, as /proc counts.
    :raises OSError: where there is no Linux's /proc.
    """
    for name in os.listdir(proc):
        if not name.isdigit():
            continue
        try:
            with open(f"{proc}/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()  # the name before it may hold spaces and brackets
            if int(fields[3]) == session:
                yield int(name), fields
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile


def session_seconds(session: int, proc: str | Path = "/proc") -> float | None:
    """Return the CPU seconds of a session's processes and of those of their children that they waited for.

    Its leader's own are left out, for whoever can read them more exactly; its children's are not. What a process used
    that ended and that nobody of the session waited for is lost, and so is what one used that left the session.
    Resolution: one tick (10 ms) a process (proc_pid_stat(5)). None where there is no Linux's /proc.

    :param session: its leader's id, as /proc counts.
    """
    ticks = 0
    try:
        for process, fields in session_processes(session, proc):
            used, of_children = fields[11:13], fields[13:15]
            ticks += sum(map(int, of_children if process == session else used + of_children))
    except (OSError, ValueError):
        return None
    return ticks / os.sysconf("SC_CLK_TCK")


def own_cores() -> list[int] | None:
    """Return the numbers of the cores that this process may use, sorted; None where those are all of the machine."""
    try:
        cores = sorted(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return None
    return cores if len(cores) < (os.cpu_count() or 0) else None


def scheduling_policy() -> str | None:
    """Return the name of this process's scheduling policy on Linux, ``"other"`` by default; elsewhere None."""
    try:
        policy = os.sched_getscheduler(0)
    except AttributeError:
        return None
    names = {os.SCHED_OTHER: "other", os.SCHED_BATCH: "batch", os.SCHED_FIFO: "fifo", os.SCHED_RR: "rr"}
    return names.get(policy, str(policy))


def hardware_threads(core: int) -> list[int]:
    """Return the numbers of the hardware threads of a core's physical core, itself among them; only it if unknown."""
    try:
        with open(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list") as file:
            spans = [span.split("-") for span in file.read().strip().split(",")]
        return [number for span in spans for number in range(int(span[0]), int(span[-1]) + 1)]
    except (OSError, ValueError):
        return [core]


def physical_cores(cores: Iterable[int] | None = None) -> int:
    """Return how many physical cores some hardware threads belong to; None for those that this process may run on."""
    if cores is None:
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return len({min(hardware_threads(core)) for core in cores})


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
