"""Haiku: hk.nets.MLP made pure by hk.transform, updated by optax's SGD in one jitted step."""

from __future__ import annotations

from functools import partial

import haiku as hk
import jax
import optax

from benchmarks.frameworks.jax import JaxTrainer


class HaikuTrainer(JaxTrainer):
    def build(self, parameters):
        sizes = self.workload.layer_sizes[1:]
        network = hk.without_apply_rng(
            hk.transform(lambda images: hk.nets.MLP(sizes, activation=jax.numpy.tanh)(images))
        )
        sgd = optax.sgd(self.workload.learning_rate)
        drawn = network.init(jax.random.key(0), self.dataset.train_images[:1])
        self.modules = list(drawn)  # in the order of the layers
        self.params = {
            module: {"w": jax.device_put(weight), "b": jax.device_put(bias)}
            for module, (weight, bias) in zip(self.modules, parameters)
        }
        self.sgd_state = sgd.init(self.params)

        def mean_loss(params, images, labels):
            return optax.softmax_cross_entropy_with_integer_labels(network.apply(params, images), labels).mean()

        @partial(jax.jit, donate_argnums=(0, 1, 2))
        def train_step(params, sgd_state, total_loss, images, labels):
            loss, grads = jax.value_and_grad(mean_loss)(params, images, labels)
            updates, sgd_state = sgd.update(grads, sgd_state)
            return optax.apply_updates(params, updates), sgd_state, total_loss + loss * len(labels)

        self.train_step = train_step
        self.apply = jax.jit(network.apply)

    def step(self, total_loss, images, labels):
        self.params, self.sgd_state, total_loss = self.train_step(
            self.params, self.sgd_state, total_loss, images, labels
        )
        return total_loss

    def predict(self, images):
        return self.apply(self.params, images)

    def layers(self):
        return [(self.params[module]["w"], self.params[module]["b"]) for module in self.modules]
