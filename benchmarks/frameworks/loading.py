"""Finds a trainer's class, and tells what is missing for it; runs in the worker."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import sys
from pathlib import Path

from pytest_duet.workers.protocol import NotInstalled, SubjectError


def check_installed(requires):
    """Check that all the modules are there.

    :raises NotInstalled: naming those that are not.
    """
    absent = missing(requires)
    if absent:
        raise NotInstalled(f"{', '.join(absent)} not installed in {sys.executable}")


def missing(modules):
    """Return those modules that this interpreter does not have, without importing any."""
    return [name for name in modules if not _found(name)]


def _found(name):
    package, _, module = name.partition(".")
    spec = importlib.util.find_spec(package)
    if spec is None or not module:
        return spec is not None
    # Not importlib.util.find_spec, which would import the package that a module is in, and with it the framework.
    return importlib.machinery.PathFinder.find_spec(name, spec.submodule_search_locations) is not None


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
        raise SubjectError(f"{place} defines no {class_name}")
    return getattr(module, class_name)


def version_of(name):
    """Return an imported module's version as text; ``"unknown"`` where it has none."""
    found = getattr(sys.modules.get(name), "__version__", None)
    try:
        return str(found or importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
