"""How long an NVIDIA GPU works on after a clock was stopped, by the driver itself: no framework is asked.

Frameworks compute in the primary context of a device (CUDA Driver API, "Primary Context Management"); to wait for it is
to wait for all that was handed over there, whatever stream it is in.
"""

from __future__ import annotations

import ctypes
from typing import Any

from pytest_duet.sensors.clock import now_seconds

LIBRARY = "libcuda.so.1"
SUCCESS = 0  # CUDA_SUCCESS (cuda.h)
RTLD_NOLOAD = 4  # <dlfcn.h> of Linux: only what is there already, for nobody else may start CUDA here


class CudaWait:
    """The driver in this process, once something here has started it.

    :param library: the file of the driver's library.
    """

    def __init__(self, library: str = LIBRARY) -> None:
        self._library = library
        self._cuda: Any = None

    def seconds(self) -> float | None:
        """Wait for the first device's primary context, and return for how long; None where there is none here.

        Where it was idle, that is what asking costs: some microseconds.
        """
        context = ctypes.c_void_p()
        if not self._is_active() or self._cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) != SUCCESS:
            return None
        try:
            if self._cuda.cuCtxPushCurrent_v2(context) != SUCCESS:
                return None
            began = now_seconds()
            done = self._cuda.cuCtxSynchronize()
            took = now_seconds() - began
            self._cuda.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
            return took if done == SUCCESS else None
        finally:
            self._cuda.cuDevicePrimaryCtxRelease_v2(0)

    def _is_active(self) -> bool:
        if self._cuda is None:
            try:
                self._cuda = ctypes.CDLL(self._library, mode=RTLD_NOLOAD)
            except OSError:  # nobody in this process has loaded it, so nobody computes by it
                return False
        flags, active = ctypes.c_uint(), ctypes.c_int()
        state = self._cuda.cuDevicePrimaryCtxGetState(0, ctypes.byref(flags), ctypes.byref(active))
        return bool(state == SUCCESS and active.value)
