"""The machine's fingerprint: what must be equal before two results may be compared."""

from __future__ import annotations

import os
import platform
import re
from typing import Any

from pytest_duet.sensors.cpu import usable_cores
from pytest_duet.sensors.gpu import find_gpu
from pytest_duet.sensors.locked_clocks import locked_mhz


def fingerprint() -> dict[str, Any]:
    """Return what this machine is and stays from run to run; nothing that moves by itself, such as clocks, is in it.

    Unknown fields are None; ``gpu`` is None where NVML sees none.
    """
    gpu, mhz = find_gpu(), locked_mhz()
    locked = {} if mhz is None else {"locked_clock_mhz": mhz}  # a field only then: runs from before have none
    return {
        "cpu": _first_match("/proc/cpuinfo", r"^model name\s*:\s*(.+)$") or platform.processor() or None,
        "usable_cores": usable_cores(),
        "memory_bytes": _memory_bytes(),
        "system": f"{platform.system()} {platform.machine()}",
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "gpu": {**gpu.fingerprint(), **locked} if gpu else None,
    }


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _first_match(path: str, pattern: str) -> str | None:
    found = re.search(pattern, _read(path) or "", re.MULTILINE)
    return found.group(1).strip() if found else None


def _read(path: str) -> str | None:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return None
