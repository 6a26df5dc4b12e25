"""Networks that leave the framework they were trained in: saved to a file, loaded from it, and asked for answers.

One file for each framework. An export is a function of the parameters, an empty folder and some images to calibrate by,
float32 ``(n, 784)``. It returns what takes such images and gives logits ``(n, 10)``, NumPy arrays both; and the file,
or the folder of files, that it has loaded. Importing this imports no framework.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.frameworks import Attached

CALIBRATING = 512  # images


@dataclass(frozen=True)
class Export(Attached):
    """Where an export is found, told without importing it.

    :param location: ``"module:function"``.
    :param precision: as an entry's, or ``"int8"``.
    :param pruned: the share of each weight matrix that is zero in the network that is saved, its smallest ones.
    """

    pruned: float = 0.0


def _export(name, of, place, *requires, **its):
    return Export(name, f"benchmarks.exports.{place}", requires, "cpu", of=of, **its)


TORCH, KERAS = ("torch",), ("tensorflow", "keras")
ONNX = ("torch", "onnx", "onnxscript", "onnxruntime")
EXPORTS = {
    export.name: export
    for export in (
        _export("torch-script-file", TORCH, "torch_files:script", "torch"),
        _export("torch-aot-inductor", TORCH, "torch_files:aot_inductor", "torch", programs=("g++",)),
        _export("torch-bf16", TORCH, "torch_files:bf16", "torch", precision="bf16"),
        _export("onnx-runtime", TORCH, "onnx_files:plain", *ONNX),
        _export("onnx-runtime-int8", TORCH, "onnx_files:int8", *ONNX, precision="int8"),
        _export("onnx-runtime-int8-static", TORCH, "onnx_files:int8_static", *ONNX, precision="int8"),
        _export("onnx-runtime-pruned", TORCH, "onnx_files:plain", *ONNX, pruned=0.5),
        _export(
            "onnx-runtime-keras",
            ("keras",),
            "keras_onnx:exported",
            *("keras", "tensorflow", "tf2onnx", "onnxruntime"),
            variables=(("KERAS_BACKEND", "tensorflow"),),
        ),
        _export("onnx-runtime-jax", ("jax",), "jax_onnx:exported", "jax", "jax2onnx", "onnxruntime"),
        _export("openvino", TORCH, "openvino_files:fp32", "torch", "openvino"),
        _export("openvino-bf16", TORCH, "openvino_files:bf16", "torch", "openvino", precision="bf16"),
        _export("openvino-pruned", TORCH, "openvino_files:fp32", "torch", "openvino", pruned=0.5),
        _export("jax-export", ("jax",), "jax_files:exported", "jax", "jaxlib"),
        _export("tf-saved-model", KERAS, "tensorflow_files:saved_model", "tensorflow"),
        _export("tf-lite", KERAS, "tensorflow_files:lite", "tensorflow"),
        _export("tf-lite-int8", KERAS, "tensorflow_files:lite_int8", "tensorflow", precision="int8"),
    )
}
