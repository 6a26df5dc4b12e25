"""JAX: pure functions, and one jitted SGD step fed by the host."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.frameworks.engines.jax_engine import JaxEngine, use_device
from benchmarks.frameworks.trainer import Contract, Trainer


def predict(params, images):
    for weight, bias in params[:-1]:
        images = jnp.tanh(images @ weight + bias)
    weight, bias = params[-1]
    return images @ weight + bias


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()


def mean_loss(params, images, labels):
    return cross_entropy(predict(params, images), labels)


def sgd_step(params, total_loss, images, labels, learning_rate):
    loss, grads = jax.value_and_grad(mean_loss)(params, images, labels)
    params = jax.tree.map(lambda p, g: p - learning_rate * g, params, grads)
    return params, total_loss + loss * len(labels)


# Were the rate not a constant of the program, it would cross to the device in every step.
jitted_step = jax.jit(sgd_step, static_argnames=("learning_rate",), donate_argnames=("params", "total_loss"))
jitted_predict = jax.jit(predict)


class JaxTrainer(JaxEngine, Trainer):
    contract = Contract("compiled")

    def __init__(self, workload, dataset, parameters, device):
        self.device, self.device_name = use_device(device)
        self.workload, self.dataset = workload, dataset
        self.build(parameters)

    def build(self, parameters):
        self.params = jax.device_put(parameters, self.device)

    def train_epoch(self, order):
        images, labels = self.dataset.train_images, self.dataset.train_labels
        total_loss = jnp.zeros(())
        for batch in self.workload.batches(order):
            total_loss = self.step(total_loss, images[batch], labels[batch])
        jax.block_until_ready(self.layers())
        return float(total_loss) / len(order)

    def step(self, total_loss, images, labels):
        self.params, total_loss = jitted_step(self.params, total_loss, images, labels, self.workload.learning_rate)
        return total_loss

    def predict(self, images):
        return jitted_predict(self.params, images)

    def logits(self, images):
        return np.asarray(self.predict(images))

    def layers(self):
        """Return the parameters in the suite's own layout, on the device."""
        return self.params

    def evaluate(self):
        images, labels = self.dataset.test_images, self.dataset.test_labels
        batches = self.workload.batches(np.arange(len(labels)))
        correct = [(self.predict(images[batch]).argmax(axis=1) == labels[batch]).sum() for batch in batches]
        return sum(map(int, correct)) / len(labels)

    def parameters(self):
        # Of copies: an array keeps what was once fetched of it, so a second reading would not cost what the first did.
        return jax.tree.map(lambda param: np.asarray(jnp.copy(param)), self.layers())
