"""JAX: pure functions; one jitted SGD step fed by the host, or a whole epoch scanned on the device."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

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


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()


def mean_loss(params, images, labels):
    return cross_entropy(predict(params, images), labels)


def sgd_step(params, total_loss, images, labels, learning_rate):
    loss, grads = jax.value_and_grad(mean_loss)(params, images, labels)
    params = jax.tree.map(lambda p, g: p - learning_rate * g, params, grads)
    return params, total_loss + loss * len(labels)


jitted_step = jax.jit(sgd_step, donate_argnames=("params", "total_loss"))
jitted_predict = jax.jit(predict)


def use_device(device):
    """Make the device asked for JAX's default; return it, and the suite's name for it."""
    try:
        found = jax.devices(None if device == "auto" else device)[0]
    except RuntimeError as error:  # what JAX raises for a platform that it does not see
        raise NoGpu from error
    jax.config.update("jax_default_device", found)
    return found, "cpu" if found.platform == "cpu" else f"gpu:{found.device_kind}"


def allocator_memory(device):
    stats = device.memory_stats() or {}  # None on CPUs
    found = {
        "allocator_peak_bytes": stats.get("peak_bytes_in_use"),
        "allocator_reserved_bytes": stats.get("peak_pool_bytes", stats.get("pool_bytes")),
    }
    return {name: value for name, value in found.items() if value is not None}


def xla_threads():
    """Count XLA's own compute threads, by the name that it gives them on Linux; None where there are none to be seen.

    It has no call that tells, and takes as many as there are cores that it may use.
    """
    names = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    return names.count("tf_XLAEigen") or None


class JaxTrainer(Trainer):
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

    def threads(self):
        return xla_threads()

    @staticmethod
    def matrix_product():
        jax.config.update("jax_default_device", jax.devices("cpu")[0])
        multiply = jax.jit(jnp.matmul)
        return jnp.asarray, lambda left, right: multiply(left, right).block_until_ready()

    def memory(self):
        return allocator_memory(self.device)


@partial(jax.jit, donate_argnames=("params",), static_argnames=("batch_size",))
def scan_epoch(params, images, labels, order, learning_rate, batch_size):
    def body(state, batch):
        return sgd_step(*state, images[batch], labels[batch], learning_rate), None

    steps = len(order) // batch_size
    whole, ragged = order[: steps * batch_size], order[steps * batch_size :]
    state, _ = jax.lax.scan(body, (params, jnp.zeros(())), whole.reshape(steps, batch_size))
    if len(ragged):
        state, _ = body(state, ragged)
    return state


class JaxScanTrainer(JaxTrainer):
    """All images live on the device; an epoch is one call of one compiled function, its parameters donated."""

    contract = Contract("fused-epoch", data="device-resident")

    def build(self, parameters):
        super().build(parameters)
        # A copy, also on a CPU, where device_put may borrow the host's.
        self.images, self.labels = map(jnp.array, (self.dataset.train_images, self.dataset.train_labels))

    def train_epoch(self, order):
        order = order.astype(np.int32)  # JAX's own integers
        self.params, total_loss = scan_epoch(
            self.params, self.images, self.labels, order, self.workload.learning_rate, self.workload.batch_size
        )
        jax.block_until_ready(self.params)
        return float(total_loss) / len(order)
