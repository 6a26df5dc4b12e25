"""WHO trains: one file per framework, and the registry that names them. Importing this imports no framework.

To add one: a file here with a :class:`~benchmarks.frameworks.trainer.Trainer`, and a line in ``REGISTRY``.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import SuiteError


@dataclass(frozen=True)
class Entry:
    """Where a trainer is found, told without importing it.

    :param name: the benchmark's parameter id.
    :param location: ``"module:Class"``, or ``"path/to/file.py:Class"``.
    :param requires: the modules it stands on, the framework itself first; where one is missing, the entry is skipped.
    """

    name: str
    location: str
    requires: tuple = ()


REGISTRY = {
    entry.name: entry
    for entry in (
        Entry("jax", "benchmarks.frameworks.jax:JaxTrainer", ("jax", "jaxlib")),
        Entry("torch", "benchmarks.frameworks.torch:TorchTrainer", ("torch",)),
        Entry("keras", "benchmarks.frameworks.keras:KerasTrainer", ("keras", "tensorflow")),
    )
}
DEFAULT = ("jax", "torch", "keras")
LIMIT_SETTERS = ("jax", "torch")  # whose matrix products the machine's limit is measured with, the best of them


def select(patterns, registry):
    """Return the entries that the names or globs ask for, in the registry's order; ``all`` is every one.

    :raises SuiteError: for a pattern that matches nothing, naming what there is.
    """
    chosen = set()
    for pattern in patterns:
        matches = list(registry) if pattern == "all" else fnmatch.filter(registry, pattern)
        if not matches:
            raise SuiteError(f"--frameworks: {pattern!r} matches none of {', '.join(registry)}.")
        chosen.update(matches)
    return [entry for name, entry in registry.items() if name in chosen]


def entries_of_file(path):
    """Return the entries that a user's file offers: its ``TRAINERS``, a dictionary of name to class name.

    The file is parsed, not run: its framework is imported by the worker alone.

    :raises SuiteError: where the file is missing, is not Python, or offers nothing.
    """
    import ast

    path = Path(path).resolve()
    try:
        tree = ast.parse(path.read_text(), filename=str(path))
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise SuiteError(f"--framework-path: {path} cannot be read as Python: {error}.") from error
    for node in tree.body:
        names = [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
        if names == ["TRAINERS"]:
            try:
                trainers = ast.literal_eval(node.value)
                return [Entry(name, f"{path}:{class_name}") for name, class_name in trainers.items()]
            except (ValueError, AttributeError):
                break
    raise SuiteError(
        f'--framework-path: {path} has no line like TRAINERS = {{"mine": "MyTrainer"}}, a literal dictionary from the '
        "name in the table to the name of the class."
    )
