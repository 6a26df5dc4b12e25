"""Finds a trainer's class, and tells what is missing for it; runs in the worker."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path

from pytest_duet.workers.protocol import NotInstalled, SubjectError

# By which frameworks, and what they compile with, are told where to keep programs from one process to the next.
KEPT = ("JAX_COMPILATION_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "XDG_CACHE_HOME")
# JAX keeps only what took a second, unless told otherwise.
KEEP_ALL = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}


def make_ready(requires, variables):
    """Make an entry's modules ready for import, by its environment variables.

    :raises NotInstalled: naming those modules that are missing here.
    """
    absent = missing(requires)
    if absent:
        raise NotInstalled(f"{', '.join(absent)} not installed in {sys.executable}")
    os.environ.update(variables)


def forget_programs():
    """Have nothing that is compiled taken from, or kept for, another process, wherever a user would have it kept."""
    for name in (*KEPT, "CACHEDB"):  # tinygrad's
        os.environ.pop(name, None)


def kept_in(folder):
    """Return the environment variables that have what is compiled kept in this folder, and looked for there alone."""
    return {**dict.fromkeys(KEPT, str(folder)), "CACHEDB": f"{folder}/tinygrad.db", **KEEP_ALL}


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


def installed_versions(requires):
    """Return the versions of an entry's modules as their installer tells them; to be asked before a trainer runs."""
    return {name: _installed(name) for name in requires}


def versions_of(requires, installed):
    """Return the versions of an entry's imported modules as text, but for parts of its framework.

    :param installed: what :func:`installed_versions` gave; a module is asked where its distribution has another name.
    """
    named = [name for name in requires if "." not in name or name == requires[0]]
    said = {name: getattr(sys.modules.get(name), "__version__", None) for name in named}
    return {name: str(installed[name] or said[name] or "unknown") for name in named}


def _installed(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
