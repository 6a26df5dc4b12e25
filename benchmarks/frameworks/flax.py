"""Flax: an NNX module, updated by optax's SGD in one jitted step."""

from __future__ import annotations

import jax.numpy as jnp
import optax
from flax import nnx

from benchmarks.frameworks.jax import JaxTrainer


class MLP(nnx.Module):
    def __init__(self, parameters):
        self.layers = nnx.List()
        for weight, bias in parameters:
            layer = nnx.Linear(*weight.shape, rngs=nnx.Rngs(0))
            layer.kernel[...], layer.bias[...] = jnp.asarray(weight), jnp.asarray(bias)
            self.layers.append(layer)

    def __call__(self, images):
        *hidden, last = self.layers
        for layer in hidden:
            images = nnx.tanh(layer(images))
        return last(images)


def train_step(model, optimizer, total_loss, images, labels):
    def mean_loss(model):
        return optax.softmax_cross_entropy_with_integer_labels(model(images), labels).mean()

    loss, grads = nnx.value_and_grad(mean_loss)(model)
    optimizer.update(model, grads)
    return total_loss + loss * len(labels)


class FlaxTrainer(JaxTrainer):
    def build(self, parameters):
        self.model = MLP(parameters)
        optimizer = nnx.Optimizer(self.model, optax.sgd(self.workload.learning_rate), wrt=nnx.Param)
        # Flattened once, not every step; graph=False: no module is shared between two places, so a tree will do.
        self.step = nnx.jit_partial(train_step, self.model, optimizer, graph=False)
        self.predict = nnx.jit_partial(MLP.__call__, self.model, graph=False)

    def layers(self):
        return [(layer.kernel[...], layer.bias[...]) for layer in self.model.layers]
