"""Equinox: the model is a pytree of eqx.nn.Linear, updated by optax's SGD in one filter_jit step."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from benchmarks.frameworks.jax import JaxTrainer


class MLP(eqx.Module):
    layers: list

    def __init__(self, parameters):
        self.layers = []
        for weight, bias in parameters:
            layer = eqx.nn.Linear(*weight.shape, key=jax.random.key(0))
            arrays = (jnp.array(weight.T), jnp.array(bias))
            self.layers.append(eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, arrays))

    def __call__(self, image):
        *hidden, last = self.layers
        for layer in hidden:
            image = jnp.tanh(layer(image))
        return last(image)


@eqx.filter_value_and_grad
def loss_and_gradients(model, images, labels):
    logits = jax.vmap(model)(images)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


@eqx.filter_jit(donate="all")
def train_step(model, sgd_state, total_loss, images, labels, sgd):
    loss, grads = loss_and_gradients(model, images, labels)
    updates, sgd_state = sgd.update(grads, sgd_state)
    return eqx.apply_updates(model, updates), sgd_state, total_loss + loss * len(labels)


@eqx.filter_jit
def jitted_predict(model, images):
    return jax.vmap(model)(images)


class EquinoxTrainer(JaxTrainer):
    def build(self, parameters):
        self.model = MLP(parameters)
        self.sgd = optax.sgd(self.workload.learning_rate)
        self.sgd_state = self.sgd.init(eqx.filter(self.model, eqx.is_array))

    def step(self, total_loss, images, labels):
        self.model, self.sgd_state, total_loss = train_step(
            self.model, self.sgd_state, total_loss, images, labels, self.sgd
        )
        return total_loss

    def predict(self, images):
        return jitted_predict(self.model, images)

    def layers(self):
        return [(layer.weight.T, layer.bias) for layer in self.model.layers]
