"""Which interpreter a framework's workers run under: this one, a named one, or that of an environment of its own.

Frameworks that cannot be installed together each have an environment, made by tox; here they meet in one session.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path


def find_interpreter(entry, named, directory):
    """Return the interpreter to run an entry's workers with, and the name of its environment; both None for this one.

    The first that there is: one named for the entry or its environment; this one, if it has all that the entry
    requires; the entry's environment. A framework that is nowhere is left to this one, whose worker says so.

    :param entry: :class:`benchmarks.frameworks.Entry`.
    :param named: paths by name, from ``--python``.
    :param directory: what holds the environments, from ``--envs``; None for none.
    """
    for name in (entry.name, entry.environment):
        if name in named:
            return named[name], name
    if directory and entry.environment and missing(entry.requires):
        python = interpreter_of(Path(directory).absolute() / entry.environment)  # workers start elsewhere
        if python.exists():
            return str(python), entry.environment
    return None, None


def interpreter_of(environment):
    """Return the path at which a virtual environment keeps its interpreter."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


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
