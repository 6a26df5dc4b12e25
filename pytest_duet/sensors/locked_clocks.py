"""GPUs' clocks held still while a session times, and let go when it ends, however it ends.

Run as a module, this is the guardian: a process of its own that locks them, says so, and lets them go once nobody holds
the other end of its standard input any more. That is so too where whoever started it was killed.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from typing import Any, Sequence

from pytest_duet.errors import DuetError

LOCKED = "DUET_LOCKED_CLOCK_MHZ"  # in the environment of whoever times meanwhile: part of the machine's fingerprint
READY = "locked"
RELEASE_SECONDS = 10.0


class LockedClocks:
    """The clocks of some GPUs, held from now until :meth:`release`.

    :param mhz: of the streaming multiprocessors; the driver takes the nearest that the card knows.
    :param uuids: the cards'.
    :raises DuetError: where NVML refuses, in its own words; then none is locked.
    """

    def __init__(self, mhz: int, uuids: Sequence[str]) -> None:
        # Away from the terminal's Ctrl-C: it is to end after whoever started it, not with it.
        self._guardian = subprocess.Popen(
            [sys.executable, "-m", __name__, str(mhz), *uuids],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # to find what this one found
        )
        assert self._guardian.stdout is not None
        told = self._guardian.stdout.readline().strip()
        if told != READY:
            self.release()
            raise DuetError(
                f"--lock-clocks={mhz}: {told or 'the process that was to lock them died'}. NVML lets root alone lock "
                "clocks, and not in every container; `sudo nvidia-smi --lock-gpu-clocks` does it by hand."
            )
        os.environ[LOCKED] = str(mhz)

    def release(self) -> None:
        """Let them go, and return when that is done."""
        os.environ.pop(LOCKED, None)
        self._guardian.communicate(timeout=RELEASE_SECONDS)


def locked_mhz() -> int | None:
    """Return at which clock the GPUs are held for this session; None where they are not."""
    return int(os.environ[LOCKED]) if LOCKED in os.environ else None


def guard(nvml: Any, mhz: int, uuids: Sequence[str]) -> None:
    """Lock the clocks until standard input ends, and let go those that were locked."""
    held = []
    try:
        nvml.nvmlInit()
        for uuid in uuids:
            handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
            nvml.nvmlDeviceSetGpuLockedClocks(handle, mhz, mhz)
            held.append(handle)
        print(READY, flush=True)
        sys.stdin.read()
    except Exception as error:  # NVML's own, named by its class
        print(f"{type(error).__name__}: {error}", flush=True)
    finally:
        for handle in held:
            nvml.nvmlDeviceResetGpuLockedClocks(handle)


if __name__ == "__main__":
    for name in ("SIGHUP", "SIGINT", "SIGTERM"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: sys.exit())
    guard(importlib.import_module("pynvml"), int(sys.argv[1]), sys.argv[2:])
