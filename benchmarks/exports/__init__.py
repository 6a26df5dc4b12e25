"""Networks that leave the framework they were trained in: saved to a file, loaded from it, and asked for answers.

One file for each framework. An export is a function of the parameters and an empty folder; it returns what takes
float32 images ``(n, 784)`` and gives logits ``(n, 10)``, NumPy arrays both. Importing this imports no framework.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from benchmarks.frameworks import REGISTRY, Entry


@dataclass(frozen=True)
class Export:
    """Where an export is found, told without importing it.

    :param of: the entries that it belongs to: it is measured where one of them is.
    :param place: ``"module:function"`` in this package.
    :param requires: and ``programs``, as in :class:`benchmarks.frameworks.Entry`.
    """

    name: str
    of: tuple
    place: str
    requires: tuple
    programs: tuple = ()

    @property
    def entry(self):
        """It as an entry, for what is asked of both: is all there that it needs?"""
        return Entry(self.name, "", self.requires, REGISTRY[self.of[0]].environment, programs=self.programs)

    def load(self):
        """Return the function; its framework is imported now."""
        module, _, name = self.place.partition(":")
        return getattr(importlib.import_module(f"benchmarks.exports.{module}"), name)


EXPORTS = {
    export.name: export
    for export in (
        Export("torch-script-file", ("torch",), "torch_files:script", ("torch",)),
        Export("torch-aot-inductor", ("torch",), "torch_files:aot_inductor", ("torch",), ("g++",)),
        Export("jax-export", ("jax",), "jax_files:exported", ("jax", "jaxlib")),
        Export("tf-saved-model", ("tensorflow", "keras"), "tensorflow_files:saved_model", ("tensorflow",)),
    )
}


def exports_of(entries):
    """Return the names of the exports that belong to some of these entries."""
    return [name for name, export in EXPORTS.items() if any(each in entries for each in export.of)]
