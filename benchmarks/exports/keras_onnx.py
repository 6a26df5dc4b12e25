"""ONNX's file, as Keras writes it by tf2onnx, answered by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import keras

from benchmarks.exports.onnx_serving import serve


def exported(parameters, folder, images):
    *hidden, (_, last) = parameters
    layers = [keras.layers.Dense(bias.size, activation="tanh") for _, bias in hidden]
    model = keras.Sequential([keras.Input(parameters[0][0].shape[:1]), *layers, keras.layers.Dense(last.size)])
    model.set_weights([array for layer in parameters for array in layer])
    model.predict_on_batch(images[:1])  # one that was never called cannot be exported
    path = Path(folder) / "model.onnx"
    model.export(str(path), format="onnx", verbose=False)
    return serve(path), path
