"""TensorFlow's files: a SavedModel with a signature for serving, and TensorFlow Lite's, rounded or not."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from benchmarks.frameworks.tensorflow import MLP
from benchmarks.frameworks.trainer import threads_asked


def saved_model(parameters, folder, images):
    model, function = network(parameters)
    path = Path(folder) / "model"
    tf.saved_model.save(model, str(path), signatures=function)
    loaded = tf.saved_model.load(str(path))  # kept for as long as its signature is
    answer = loaded.signatures["serving_default"]

    def predict(images):
        (logits,) = answer(tf.constant(images)).values()
        return logits.numpy()

    predict.model = loaded
    return predict, path


def lite(parameters, folder, images, optimizations=()):
    model, function = network(parameters)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], model)
    converter.optimizations = list(optimizations)
    path = Path(folder) / "model.tflite"
    path.write_bytes(converter.convert())
    interpreter = tf.lite.Interpreter(str(path), num_threads=threads_asked())
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    shape = None

    def predict(images):
        nonlocal shape
        if images.shape != shape:
            shape = images.shape
            interpreter.resize_tensor_input(taken["index"], shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    return predict, path


def lite_int8(parameters, folder, images):
    """Weights in eight bits; activations are rounded to as many when they are there ("dynamic range")."""
    return lite(parameters, folder, images, [tf.lite.Optimize.DEFAULT])


def network(parameters):
    """Return a model, and its call as a function of any number of images."""
    model = MLP(parameters)
    images = tf.TensorSpec([None, parameters[0][0].shape[0]], tf.float32)
    model.serve = tf.function(model.__call__, input_signature=[images])
    return model, model.serve
