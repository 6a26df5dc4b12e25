"""Finds a trainer's class, and tells what is missing for it; runs in the worker."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from pathlib import Path

from benchmarks.frameworks.interpreters import missing


class NotInstalled(Exception):
    """A module that the trainer stands on is missing; the benchmark is skipped with this reason."""


class TrainerError(Exception):
    """The trainer broke its interface; the text says how."""


class GpuUnseen(TrainerError):
    """A GPU was asked for, and the framework sees none."""


def check_installed(requires):
    """Check that all the modules are there.

    :raises NotInstalled: naming those that are not.
    """
    absent = missing(requires)
    if absent:
        raise NotInstalled(f"{', '.join(absent)} not installed in {sys.executable}")


def load_trainer(location):
    """Return the class at ``"module:Class"`` or ``"path/to/file.py:Class"``."""
    place, _, class_name = location.rpartition(":")
    if place.endswith(".py"):
        spec = importlib.util.spec_from_file_location(f"trainer_{Path(place).stem}", place)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # as the import statement does; dataclasses and pickle look there
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(place)
    if not hasattr(module, class_name):
        raise TrainerError(f"{place} defines no {class_name}")
    return getattr(module, class_name)


def version_of(name):
    """Return an imported module's version as text; ``"unknown"`` where it has none."""
    found = getattr(sys.modules.get(name), "__version__", None)
    try:
        return str(found or importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
