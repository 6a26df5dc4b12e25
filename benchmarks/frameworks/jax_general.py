"""JAX, for any workload: each network a pure function, one jitted step fed by the host."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.frameworks.jax import JaxTrainer, cross_entropy
from benchmarks.frameworks.trainer import in_precision
from benchmarks.workload.networks import ADAM_EPSILON, BETAS, EPSILON, HEADS, SIDE


def mlp(params, images, activation):
    for layer in params[:-1]:
        images = activation(linear(layer, images))
    return linear(params[-1], images)


def cnn(params, images, activation):
    *convolutions, last = params
    values = images.reshape(-1, SIDE, SIDE, 1)
    for kernel, bias in convolutions:
        values = lax.conv_general_dilated(values, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        values = activation(values + bias)
        values = lax.reduce_window(values, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4
    return linear(last, values.reshape(len(images), -1))


def transformer(params, images, activation):
    embed, before, project, mix, between, widen, narrow, after, head = params
    rows = linear(embed, images.reshape(-1, SIDE, SIDE))
    projected = linear(project, normed(before, rows)).reshape(len(rows), SIDE, 3, HEADS, -1)
    attended = jax.nn.dot_product_attention(*(projected[:, :, number] for number in range(3)))
    rows += linear(mix, attended.reshape(rows.shape))
    rows += linear(narrow, activation(linear(widen, normed(between, rows))))
    return linear(head, normed(after, rows).mean(axis=1))


def linear(layer, values):
    weight, bias = layer
    return values @ weight + bias


def normed(layer, values):
    scale, shift = layer
    exact = jax.nn.standardize(values.astype(jnp.float32), epsilon=EPSILON)
    return exact.astype(values.dtype) * scale + shift


def squared_error(logits, labels):
    return ((logits - jax.nn.one_hot(labels, logits.shape[1])) ** 2).mean()


NETWORKS = {"mlp": mlp, "cnn": cnn, "transformer": transformer}
ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "gelu": jax.nn.gelu}
LOSSES = {"cross-entropy": cross_entropy, "squared-error": squared_error}


@partial(jax.jit, static_argnames=("workload",))
def predict(params, images, workload):
    if workload.precision == "bf16":
        params, images = jax.tree.map(lambda its: its.astype(jnp.bfloat16), (params, images))
    return NETWORKS[workload.network](params, images, ACTIVATIONS[workload.activation]).astype(jnp.float32)


def start(workload, params):
    """Return what the optimizer remembers before its first step, no array of it twice: a step donates them."""

    def zeros():
        return jax.tree.map(jnp.zeros_like, params)

    if workload.optimizer == "adam":
        return zeros(), zeros(), jnp.zeros(())
    return zeros() if workload.momentum else None


def descent(workload, memory, gradients):
    """Return along what each parameter is to be changed, and what the optimizer remembers then."""
    if workload.optimizer == "adam":
        return adam(*memory, gradients)
    if workload.momentum:
        gradients = memory = jax.tree.map(lambda v, g: workload.momentum * v + g, memory, gradients)
    return gradients, memory


def adam(means, squares, steps, gradients):
    (first, second), steps = BETAS, steps + 1
    means = jax.tree.map(lambda m, g: first * m + (1 - first) * g, means, gradients)
    squares = jax.tree.map(lambda s, g: second * s + (1 - second) * g * g, squares, gradients)

    def along(mean, square):
        return mean / (1 - first**steps) / (jnp.sqrt(square / (1 - second**steps)) + ADAM_EPSILON)

    return jax.tree.map(along, means, squares), (means, squares, steps)


@partial(jax.jit, static_argnames=("workload",), donate_argnames=("params", "memory", "total_loss"))
def take_step(params, memory, total_loss, images, labels, workload):
    def mean_loss(params):
        return LOSSES[workload.loss](predict(params, images, workload), labels)

    loss, gradients = jax.value_and_grad(mean_loss)(params)
    steps, memory = descent(workload, memory, gradients)
    params = jax.tree.map(lambda p, step: p - workload.learning_rate * step, params, steps)
    return params, memory, total_loss + loss * len(labels)


class JaxGeneralTrainer(JaxTrainer):
    def build(self, parameters):
        self.contract = in_precision(self.contract, self.workload.precision, self.device_name)
        if self.workload.precision == "tf32":
            jax.config.update("jax_default_matmul_precision", "tensorfloat32")
        super().build(parameters)
        self.memory_of_steps = start(self.workload, self.params)

    def step(self, total_loss, images, labels):
        self.params, self.memory_of_steps, total_loss = take_step(
            self.params, self.memory_of_steps, total_loss, images, labels, self.workload
        )
        return total_loss

    def predict(self, images):
        return predict(self.params, images, self.workload)
