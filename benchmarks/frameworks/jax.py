"""JAX: pure functions, one jitted SGD step, batches cut on the host."""

from __future__ import annotations

import os
from functools import partial

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else 75 % of the GPU is taken, used or not

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.frameworks.trainer import Contract, NoGpu, Trainer

jax.config.update("jax_default_matmul_precision", "highest")  # fp32 means fp32: no TF32 on a GPU


def predict(params, images):
    for weight, bias in params[:-1]:
        images = jnp.tanh(images @ weight + bias)
    weight, bias = params[-1]
    return images @ weight + bias


def mean_loss(params, images, labels):
    log_probabilities = jax.nn.log_softmax(predict(params, images))
    return -jnp.take_along_axis(log_probabilities, labels[:, None], axis=1).mean()


@partial(jax.jit, donate_argnames=("params", "total_loss"))
def step(params, total_loss, images, labels, learning_rate):
    loss, grads = jax.value_and_grad(mean_loss)(params, images, labels)
    params = jax.tree.map(lambda p, g: p - learning_rate * g, params, grads)
    return params, total_loss + loss * len(labels)


@jax.jit
def count_correct(params, images, labels):
    return (predict(params, images).argmax(axis=1) == labels).sum()


class JaxTrainer(Trainer):
    contract = Contract("compiled")

    def __init__(self, workload, dataset, parameters, device):
        try:
            self.device = jax.devices(None if device == "auto" else device)[0]
        except RuntimeError as error:  # what JAX raises for a platform that it does not see
            raise NoGpu from error
        jax.config.update("jax_default_device", self.device)
        self.device_name = "cpu" if self.device.platform == "cpu" else f"gpu:{self.device.device_kind}"
        self.workload, self.dataset = workload, dataset
        self.params = jax.device_put(parameters, self.device)

    def train_epoch(self, order):
        images, labels = self.dataset.train_images, self.dataset.train_labels
        total_loss = jnp.zeros(())
        for batch in self.workload.batches(order):
            self.params, total_loss = step(
                self.params, total_loss, images[batch], labels[batch], self.workload.learning_rate
            )
        jax.block_until_ready(self.params)
        return float(total_loss) / len(order)

    def evaluate(self):
        images, labels = self.dataset.test_images, self.dataset.test_labels
        batches = self.workload.batches(np.arange(len(labels)))
        return sum(int(count_correct(self.params, images[batch], labels[batch])) for batch in batches) / len(labels)

    def parameters(self):
        # Of copies: an array keeps what was once fetched of it, so a second reading would not cost what the first did.
        return jax.tree.map(lambda param: np.asarray(jnp.copy(param)), self.params)

    @staticmethod
    def matrix_product():
        jax.config.update("jax_default_device", jax.devices("cpu")[0])
        multiply = jax.jit(jnp.matmul)
        return jnp.asarray, lambda left, right: multiply(left, right).block_until_ready()

    def memory(self):
        stats = self.device.memory_stats() or {}  # None on CPUs
        found = {
            "allocator_peak_bytes": stats.get("peak_bytes_in_use"),
            "allocator_reserved_bytes": stats.get("peak_pool_bytes", stats.get("pool_bytes")),
        }
        return {name: value for name, value in found.items() if value is not None}
