"""The one thing to do about a framework that failed: by what others say of it, else by how it ended."""

from __future__ import annotations

import re

NVIDIA = r"lib(cuda|cublas|cudnn|cufft|cusolver|cusparse|curand|nccl|nvrtc|nvJitLink|nvjitlink|cupti|nvshmem)"
REINSTALL = "reinstall it in a fresh environment, so that its own copies of the libraries come along"
SIGNS = (  # a pattern of the framework's or the loader's own words, what to do; {0} is the pattern's first group
    (
        r"(libcuda\.so[.\d]*): cannot open shared object",
        "install the NVIDIA driver; in a container, start it with --gpus all: {0} belongs to the driver",
    ),
    (
        rf"({NVIDIA}[\w.]*\.so[.\d]*): cannot open shared object",
        "install the package that brings {0}: " + REINSTALL + ", with its CUDA extra (see requirements-gpu.txt)",
    ),
    (
        r"(lib[\w.+-]*\.so[.\d]*): cannot open shared object",
        "install what brings {0} (`apt-get install` or the wheel that has it), or add its folder to LD_LIBRARY_PATH",
    ),
    (r"version [`'](GLIBC\w*_[\d.]+)' not found", "use a newer Linux, or an older release of it: it needs {0}"),
    (
        r"undefined symbol: (\w+)",
        "two packages disagree about a library (no {0}): " + REINSTALL + "; LD_LIBRARY_PATH unset",
    ),
    (r"A module that was compiled using NumPy 1|numpy\.core\.multiarray failed", "install the NumPy that it pins"),
    (
        r"ModuleNotFoundError.*No module named '([\w.]+)'",
        "install {0} beside it: `pip check` says what else is missing",
    ),
    (
        r"No such file or directory: '(clang|g\+\+)'",
        "install the compiler that it calls: `apt-get install {0}`, or your system's like",
    ),
    (r"InvalidCxxCompiler", "install a C++ compiler: `apt-get install g++`, or your system's like"),
    (r"cuDNN version incompat|CUDNN_STATUS_(?:SUBLIBRARY_)?VERSION_MISMATCH", "unset LD_LIBRARY_PATH, or " + REINSTALL),
    (r"CUDA driver version is insufficient|driver on your system is too old", "update the NVIDIA driver"),
    (r"no kernel image is available", "install a release of it that is built for this GPU"),
    (r"out of memory|RESOURCE_EXHAUSTED", "free memory, or give the container more"),
)
CAUSES = {  # what to do by the failure's cause; {try_it} is a command
    "SIGKILL": "free memory, or give the container more",
    "SIGILL": "install a build for this processor: it uses an instruction that the processor lacks",
    "timeout": "run `{try_it}` to see where it hangs; if it is only slow, give --timeout more",
    "no GPU": "install its build for this machine's CUDA (requirements-gpu.txt), or use --device=cpu",
    "no start": "name an interpreter that is there with --python, or remake the environment",
    "exit": "run `{try_it}` to see what its interpreter lacks",
}
CRASHED = "run `{try_it}` to see where it dies; if that dies as well, " + REINSTALL
ELSE = "run `{try_it}` and read its own message"


def advise(failure, executable, module):
    """Return what to do about a :class:`benchmarks.doctor.examine.Failure`.

    :param executable: the interpreter of its worker.
    :param module: the framework's, to be imported by hand; None where it has none.
    """
    text = f"{failure.text}\n{failure.detail}"
    try_it = f"{executable} -X faulthandler -c 'import {module or 'numpy'}'"
    for pattern, what in SIGNS:
        found = re.search(pattern, text)
        if found:
            return what.format(*found.groups())
    what = CRASHED if failure.cause.startswith("SIG") else ELSE
    return CAUSES.get(failure.cause, what).format(try_it=try_it)
