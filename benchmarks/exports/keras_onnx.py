"""ONNX's file, as Keras writes it by tf2onnx, answered by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

from benchmarks.exports.onnx_serving import serve
from benchmarks.frameworks.keras import perceptron


def exported(parameters, folder, images):
    model = perceptron([len(parameters[0][0]), *(bias.size for _, bias in parameters)])
    model.set_weights([array for layer in parameters for array in layer])
    model.predict_on_batch(images[:1])  # one that was never called cannot be exported
    path = Path(folder) / "model.onnx"
    model.export(str(path), format="onnx", verbose=False)
    return serve(path), path
