"""tinygrad and its devices: the NVIDIA GPU that it can drive here."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
from pathlib import Path

from tinygrad import Device

from benchmarks.frameworks.trainer import NoGpu, threads_asked


def settings(device):
    """Return what a ``Context`` is to set for the device asked for, and the suite's name for that device."""
    gpu = nvidia_backend() if device != "cpu" else None
    if device == "gpu" and gpu is None:
        raise NoGpu
    # fp32 means fp32, tinygrad's default; its own guess at the threads heeds a container's quota before the affinity.
    wanted = {"DEV": gpu or "CPU", "ALLOW_TF32": 0, "NUM_CPU_THREADS": threads_asked()}
    return wanted, f"gpu:{gpu} {Device[gpu].renderer.target.arch}" if gpu else "cpu"


def find_nvrtc():
    """Return where a wheel has put NVIDIA's compiler, NVRTC, and its built-ins, as two paths; None if none has."""
    spec = importlib.util.find_spec("nvidia")
    for place in spec.submodule_search_locations if spec else ():
        for compiler in sorted(Path(place).glob("*/lib/libnvrtc.so.*")):
            for builtins in sorted(compiler.parent.glob("libnvrtc-builtins.so.*")):
                return compiler, builtins
    return None


def use_nvrtc_of_a_wheel():
    """Tell tinygrad of it, which by itself looks in the system's folders alone."""
    found = find_nvrtc()
    if found and "NVRTC_PATH" not in os.environ:
        compiler, builtins = found
        ctypes.CDLL(str(builtins))  # NVRTC opens it by its bare name, which works once it is loaded
        os.environ["NVRTC_PATH"] = str(compiler)


def nvidia_backend():
    """Return the name of tinygrad's first backend that can drive an NVIDIA GPU here, or None."""
    with contextlib.suppress(OSError):  # a library that does not load is told by the backends
        use_nvrtc_of_a_wheel()
    # In tinygrad's own order. NV opens the device files itself and takes the first card, whichever CUDA may see.
    for name in ("CUDA",) if "CUDA_VISIBLE_DEVICES" in os.environ else ("NV", "CUDA"):
        with contextlib.suppress(Exception):  # each fails in its own way where there is no GPU, driver or compiler
            _ = Device[name].renderer
            return name
    return None
