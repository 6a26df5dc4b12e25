"""TensorFlow's file: a SavedModel with a signature for serving."""

from __future__ import annotations

import tensorflow as tf

from benchmarks.frameworks.tensorflow import MLP


def saved_model(parameters, folder):
    model = MLP(parameters)
    images = tf.TensorSpec([None, parameters[0][0].shape[0]], tf.float32)
    model.serve = tf.function(model.__call__, input_signature=[images])
    tf.saved_model.save(model, f"{folder}/model", signatures=model.serve)
    loaded = tf.saved_model.load(f"{folder}/model")  # kept for as long as its signature is
    answer = loaded.signatures["serving_default"]

    def predict(images):
        (logits,) = answer(tf.constant(images)).values()
        return logits.numpy()

    predict.model = loaded
    return predict
