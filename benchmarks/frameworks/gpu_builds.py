"""Whether a framework that is installed here was built for CPUs alone, told from its files without importing it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path


def built_for_cpus(modules):
    """Return those modules that are builds without CUDA. One whose files do not tell is not among them.

    Whether this machine's driver suits the others is not asked: their workers say so.

    :param modules: names, as in :class:`benchmarks.frameworks.Entry`; those that are not installed are passed over.
    """
    found = []
    for name in modules:
        package = name.partition(".")[0]
        folder = _folder(package) if package in _CPU_ONLY else None
        if folder is not None and _CPU_ONLY[package](folder):
            found.append(name)
    return found


def _folder(package):
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def _jax(folder):
    """JAX itself knows no GPU; a plugin does, ``jax_plugins/xla_cuda13`` of the wheel jax-cuda13-pjrt."""
    spec = importlib.util.find_spec("jax_plugins")
    places = spec.submodule_search_locations if spec else ()
    return not any(True for place in places for _ in Path(place).glob("xla_cuda*"))


def _torch(folder):
    """``torch/version.py`` has a line like ``cuda: Optional[str] = None``, or with the version of CUDA."""
    return re.search(r"^cuda\b.*=\s*None\s*$", _text(folder / "version.py"), re.MULTILINE) is not None


def _tensorflow(folder):
    """``build_info.py`` has a pair ``('is_cuda_build', False)``."""
    text = _text(folder / "python" / "platform" / "build_info.py")
    return re.search(r"""['"]is_cuda_build['"]\s*,\s*False""", text) is not None


def _mlx(folder):
    """MLX's back end comes as a distribution of its own: mlx-cpu, mlx-metal, or mlx-cuda-13."""
    return any(folder.parent.glob("mlx_cpu-*.dist-info")) and not any(folder.parent.glob("mlx_cuda*.dist-info"))


def _text(path):
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


_CPU_ONLY = {"jax": _jax, "torch": _torch, "tensorflow": _tensorflow, "mlx": _mlx}
