"""Keras on TensorFlow, for any workload: each network a functional model, trained as in keras_tensorflow.py."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from benchmarks.frameworks.keras_tensorflow import KerasTensorFlowTrainer
from benchmarks.frameworks.trainer import WrongHardware, in_precision
from benchmarks.workload.networks import EPSILON, HEADS, KERNEL, SIDE

ACTIVATIONS = {"gelu": partial(keras.activations.gelu, approximate=True)}  # the others by their names
PROJECT = 2  # the place of the transformer's queries, keys and values among the suite's layers


def mlp(values, sizes, activation):
    for units in sizes[1:-1]:
        values = layers.Dense(units, activation)(values)
    return layers.Dense(sizes[-1])(values)


def cnn(values, sizes, activation):
    values = layers.Reshape((SIDE, SIDE, 1))(values)
    for channels in sizes[1:-1]:
        values = layers.Conv2D(channels, KERNEL, activation=activation)(values)
        values = layers.AveragePooling2D(2)(values)
    return layers.Dense(sizes[-1])(layers.Flatten()(values))


def transformer(values, sizes, activation):
    _, width, hidden, classes = sizes
    # A bias for each row of an image: the embedding of its place.
    embed = layers.EinsumDense("nrp,pw->nrw", output_shape=(SIDE, width), bias_axes="rw")
    rows = embed(layers.Reshape((SIDE, SIDE))(values))
    normed = layers.LayerNormalization(epsilon=EPSILON)(rows)
    rows = layers.Add()([rows, layers.MultiHeadAttention(HEADS, width // HEADS)(normed, normed)])
    widened = layers.Dense(hidden, activation)(layers.LayerNormalization(epsilon=EPSILON)(rows))
    rows = layers.Add()([rows, layers.Dense(width)(widened)])
    normed = layers.LayerNormalization(epsilon=EPSILON)(rows)
    return layers.Dense(classes)(layers.GlobalAveragePooling1D()(normed))


NETWORKS = {"mlp": mlp, "cnn": cnn, "transformer": transformer}


def squared_error(labels, logits):
    wanted = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), logits.shape[-1], dtype=logits.dtype)
    return keras.ops.mean((logits - wanted) ** 2, axis=-1)


class KerasGeneralTrainer(KerasTensorFlowTrainer):
    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parted(parameters) if self.attends(workload) else parameters, device)

    @staticmethod
    def attends(workload):
        return workload.network == "transformer"

    def use(self, device):
        super().use(device)
        precision = self.workload.precision
        self.contract = in_precision(self.contract, precision, self.device_name)
        if precision == "bf16":
            keras.config.set_dtype_policy("mixed_bfloat16")
        tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")

    def network(self):
        sizes, activation = self.workload.layer_sizes, self.workload.activation
        images = keras.Input(sizes[:1])
        logits = NETWORKS[self.workload.network](images, sizes, ACTIVATIONS.get(activation, activation))
        return keras.Model(images, layers.Activation("linear", dtype="float32")(logits))

    def optimizer(self):
        if self.workload.optimizer == "adam":
            raise WrongHardware("its Adam adds epsilon elsewhere than others do (docs/own-workload.md)")
        return keras.optimizers.SGD(self.workload.learning_rate, self.workload.momentum)

    def loss(self):
        return squared_error if self.workload.loss == "squared-error" else super().loss()

    def parameters(self):
        parameters = super().parameters()
        return joined(parameters) if self.attends(self.workload) else parameters


def parted(parameters):
    """Return the parameters as Keras's attention has them: queries, keys and values apart, the heads on an axis."""
    weight, bias = parameters[PROJECT]
    width = len(weight)
    heads = (HEADS, width // HEADS)
    parts = [
        (its_weight.reshape(width, *heads), its_bias.reshape(heads))
        for its_weight, its_bias in zip(np.split(weight, 3, axis=1), np.split(bias, 3))
    ]
    weight, bias = parameters[PROJECT + 1]
    return [*parameters[:PROJECT], *parts, (weight.reshape(*heads, width), bias), *parameters[PROJECT + 2 :]]


def joined(parameters):
    """Return the parameters as the suite has them."""
    parts = parameters[PROJECT : PROJECT + 3]
    width = len(parts[0][0])
    project = (
        np.concatenate([weight.reshape(width, width) for weight, _ in parts], axis=1),
        np.concatenate([bias.ravel() for _, bias in parts]),
    )
    weight, bias = parameters[PROJECT + 3]
    return [*parameters[:PROJECT], project, (weight.reshape(width, width), bias), *parameters[PROJECT + 4 :]]
