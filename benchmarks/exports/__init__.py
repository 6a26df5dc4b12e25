"""Networks that leave the framework they were trained in: saved to a file, loaded from it, and asked for answers.

One file for each framework. An export is a function of the parameters, an empty folder and some images to calibrate by,
float32 ``(n, 784)``. It returns what takes such images and gives logits ``(n, 10)``, NumPy arrays both; and the file,
or the folder of files, that it has loaded. Importing this imports no framework.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from benchmarks.frameworks import REGISTRY, Entry

CALIBRATING = 512  # images


@dataclass(frozen=True)
class Export:
    """Where an export is found, told without importing it.

    :param of: the entries that it belongs to: it is measured where one of them is.
    :param place: ``"module:function"`` in this package.
    :param requires: and ``programs``, as in :class:`benchmarks.frameworks.Entry`.
    :param precision: ``"fp32"``, or what it rounds to: ``"bf16"`` or ``"int8"``.
    """

    name: str
    of: tuple
    place: str
    requires: tuple
    programs: tuple = ()
    precision: str = "fp32"

    @property
    def entry(self):
        """It as an entry, for what is asked of both: is all there that it needs?"""
        return Entry(self.name, "", self.requires, REGISTRY[self.of[0]].environment, programs=self.programs)

    def load(self):
        """Return the function; its framework is imported now."""
        module, _, name = self.place.partition(":")
        return getattr(importlib.import_module(f"benchmarks.exports.{module}"), name)


ONNX = ("torch", "onnx", "onnxscript", "onnxruntime")
EXPORTS = {
    export.name: export
    for export in (
        Export("torch-script-file", ("torch",), "torch_files:script", ("torch",)),
        Export("torch-aot-inductor", ("torch",), "torch_files:aot_inductor", ("torch",), ("g++",)),
        Export("torch-bf16", ("torch",), "torch_files:bf16", ("torch",), precision="bf16"),
        Export("onnx-runtime", ("torch",), "onnx_files:plain", ONNX),
        Export("onnx-runtime-int8", ("torch",), "onnx_files:int8", ONNX, precision="int8"),
        Export("onnx-runtime-int8-static", ("torch",), "onnx_files:int8_static", ONNX, precision="int8"),
        Export("openvino", ("torch",), "openvino_files:fp32", ("torch", "openvino")),
        Export("openvino-bf16", ("torch",), "openvino_files:bf16", ("torch", "openvino"), precision="bf16"),
        Export("jax-export", ("jax",), "jax_files:exported", ("jax", "jaxlib")),
        Export("tf-saved-model", ("tensorflow", "keras"), "tensorflow_files:saved_model", ("tensorflow",)),
        Export("tf-lite", ("tensorflow", "keras"), "tensorflow_files:lite", ("tensorflow",)),
        Export(
            "tf-lite-int8", ("tensorflow", "keras"), "tensorflow_files:lite_int8", ("tensorflow",), precision="int8"
        ),
    )
}


def exports_of(entries):
    """Return the names of the exports that belong to some of these entries."""
    return [name for name, export in EXPORTS.items() if any(each in entries for each in export.of)]
