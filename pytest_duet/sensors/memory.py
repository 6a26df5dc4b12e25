"""The memory ledger's readings, each by its own source. What cannot be read is None, never 0."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

KIB = 1024


def peak_rss_bytes(status: str = "/proc/self/status") -> int | None:
    """Return the most physical memory this process ever held, in bytes.

    Linux's VmHWM counts from the start of the program. getrusage's ru_maxrss does not: a child inherits what its
    parent had reached before the fork, so a small worker of a large pytest would look large.
    """
    kib = _number_after("VmHWM:", status)
    if kib is None and resource is not None:
        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (KIB if sys.platform == "darwin" else 1)
    return None if kib is None else kib * KIB


def reset_peak_rss(clear_refs: str | Path = "/proc/self/clear_refs") -> None:
    """Count :func:`peak_rss_bytes` from here on; nothing happens where the kernel knows no such thing (proc(5))."""
    try:
        with open(clear_refs, "w") as file:
            file.write("5")
    except OSError:
        pass


def rss_bytes(pid: int | None) -> int | None:
    """Return the physical memory that process ``pid`` holds now, in bytes; None where Linux's /proc is missing."""
    try:
        with open(f"/proc/{pid}/statm") as file:  # one short line, for it is read ten times a second
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return None


def id_in_proc(pid: int, proc: str | Path = "/proc") -> int | None:
    """Return the number by which /proc knows this process or a child of it; None where it cannot be found.

    It is another than ours where /proc is mounted from an outer namespace of process ids (pid_namespaces(7)): then
    /proc/PID is somebody else.
    """
    try:
        outer = os.readlink(f"{proc}/self")
        if outer == str(os.getpid()):
            return pid
        if pid == os.getpid():
            return int(outer)
        numbers = [name for name in os.listdir(proc) if name.isdigit()]
    except OSError:
        return pid  # no /proc at all
    for number in numbers:
        status = f"{proc}/{number}/status"
        if _number_after("PPid:", status) == int(outer) and _number_after(r"NSpid:.*", status) == pid:
            return int(number)
    return None


def out_of_memory_kills(vmstat: str | Path = "/proc/vmstat") -> int | None:
    """Return how many processes the kernel has killed for want of memory since it started, or None."""
    return _number_after("oom_kill", vmstat)


def _number_after(word: str, path: str | Path) -> int | None:
    try:
        with open(path) as file:
            found = re.search(rf"^{word}\s+(\d+)", file.read(), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) if found else None
