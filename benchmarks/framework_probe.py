"""What the doctor asks of a framework, in the framework's worker: each part one call of :meth:`TrainerHost.probe`."""

from __future__ import annotations

import ctypes
import importlib
import inspect
import math
import os
import re
import sys
import time

import numpy as np

from benchmarks.frameworks.loading import installed_versions, load_trainer, make_ready, versions_of
from pytest_duet.sensors.gpu import cuda_text, cudnn_text
from pytest_duet.workers.protocol import SubjectError

MAPS = "/proc/self/maps"
PRODUCT_SIZES = (256, 512, 384)  # rows, inner, columns
# The libraries whose wrong copy breaks a framework or changes its speed, by the name before ".so".
WANTED = re.compile(
    r"lib(cuda|cudart|cublas|cublasLt|cudnn\w*|cusolver|cusparse|cufft|nccl|nvrtc|nvJitLink|mkl_\w+|\w*openblas\w*|dnnl"
    r"|onednn|gomp|iomp5|omp|tpu)"
)
# The hash is what auditwheel adds to the name of a library that a wheel brings along.
FILE_NAME = re.compile(r"(?P<name>lib[A-Za-z0-9_]+?)(?:-[0-9a-f]{8,})?\.so(?:\.(?P<version>[0-9][0-9.]*))?")


def import_framework(requires, variables):
    """Import the framework alone, as its users do, before any code of the suite does.

    :raises NotInstalled: where one of ``requires`` is missing here.
    """
    make_ready(requires, variables)
    start = time.perf_counter()
    for name in requires[:1]:  # a trainer of the user's own may require nothing
        importlib.import_module(name)
    return {
        "import_seconds": time.perf_counter() - start if requires else None,
        "versions": versions_of(requires, installed_versions(requires)),
        "python": sys.version.split()[0],
    }


def about(location):
    """Return what the trainer's :meth:`Trainer.about` says, and ``cpu_only``."""
    trainer = load_trainer(location)
    return {**trainer.about(), "cpu_only": trainer.cpu_only}


def product(location, device):
    """Multiply two float32 matrices as the framework does, and return how far the product is from NumPy's in float64.

    :return: ``{"relative_error": norm of the difference over norm of the product}``, None in it where the product is
        not finite; None in place of the dictionary where the trainer has no products of its own to offer.
    """
    found = _matrix_product(load_trainer(location), device)
    if not found:
        return None
    place, multiply = found
    random = np.random.RandomState(0)
    rows, inner, columns = PRODUCT_SIZES
    left = random.standard_normal((rows, inner)).astype(np.float32)
    right = random.standard_normal((inner, columns)).astype(np.float32)
    got = np.asarray(_to_host(multiply(place(left), place(right))), np.float64)
    expected = left.astype(np.float64) @ right.astype(np.float64)
    if got.shape != expected.shape:
        raise SubjectError(f"matrix_product() gave a product of the shape {got.shape}, not {expected.shape}")
    error = float(np.linalg.norm(got - expected) / np.linalg.norm(expected))
    return {"relative_error": error if math.isfinite(error) else None}


def _matrix_product(trainer, device):
    if "device" in inspect.signature(trainer.matrix_product).parameters:
        return trainer.matrix_product(device=device, precision="fp32")
    return trainer.matrix_product()  # a trainer of the user's own, which may know the CPU alone


def _to_host(array):
    if hasattr(array, "cpu"):  # PyTorch's and its like refuse to be read by NumPy while they are on a GPU
        array = array.cpu()
    return array.numpy() if hasattr(array, "numpy") else array


def libraries(maps=MAPS):
    """Return the shared libraries of the field that this process has mapped: ``name``, ``version`` and ``path`` each.

    The version is what the library itself says where it has a call for it, else that in the file's name, else None.
    Empty where there is no Linux's /proc.
    """
    try:
        with open(maps) as file:
            paths = {line.split(None, 5)[5].rstrip("\n") for line in file if line.count("/")}
    except OSError:
        return []
    found = []
    for path in sorted(paths):
        path = path[: -len(" (deleted)")] if path.endswith(" (deleted)") else path
        match = FILE_NAME.match(os.path.basename(path))
        if match and WANTED.fullmatch(match["name"]):
            version = _said_version(match["name"], path) or match["version"]
            found.append({"name": match["name"], "version": version, "path": path})
    return found


def _said_version(name, path):
    """Return the version that a library answers with when it is asked, or None. It is mapped: nothing is loaded."""
    ask = _openblas if "openblas" in name else ASK.get(name)
    try:
        return ask and ask(ctypes.CDLL(path))
    except (OSError, AttributeError, ValueError, IndexError):  # replaced on the disk meanwhile, or without the call
        return None


def _openblas(library):
    for symbol in ("openblas_get_config", "scipy_openblas_get_config64_", "scipy_openblas_get_config"):
        if hasattr(library, symbol):
            call = getattr(library, symbol)
            call.restype = ctypes.c_char_p
            return call().decode().split()[1]  # "OpenBLAS 0.3.30 NO_AFFINITY ..."
    return None


def _cudnn(library):
    library.cudnnGetVersion.restype = ctypes.c_size_t
    return cudnn_text(library.cudnnGetVersion())


def _nccl(library):
    major, rest = divmod(*_numbers(library.ncclGetVersion), 10_000)  # nccl.h: so since 2.9
    return f"{major}.{rest // 100}.{rest % 100}"


def _cublas(library):
    parts = range(3)  # library_types.h: MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL
    return ".".join(str(*_numbers(library.cublasGetProperty, part)) for part in parts)


def _numbers(function, *arguments, count=1):
    """Return the integers that a C function gives through so many pointers, behind its other arguments."""
    numbers = [ctypes.c_int() for _ in range(count)]
    if function(*arguments, *map(ctypes.byref, numbers)):
        raise ValueError
    return [number.value for number in numbers]


ASK = {
    "libcudnn": _cudnn,
    "libcudart": lambda library: cuda_text(*_numbers(library.cudaRuntimeGetVersion)),
    "libcuda": lambda library: cuda_text(*_numbers(library.cuDriverGetVersion)),
    "libcublas": _cublas,
    "libnccl": _nccl,
    "libnvrtc": lambda library: ".".join(map(str, _numbers(library.nvrtcVersion, count=2))),
}
