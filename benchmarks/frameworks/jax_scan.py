"""JAX, a whole epoch in one call: the steps of jax.py scanned on the device."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.frameworks.jax import JaxTrainer, sgd_step
from benchmarks.frameworks.trainer import Contract

# Steps, on a GPU, where each turn of a loop is handed over by the host; on a CPU, they would only compile longer.
UNROLLED = 8


@partial(jax.jit, donate_argnames=("params",), static_argnames=("batch_size", "unroll"))
def scan_epoch(params, images, labels, order, learning_rate, batch_size, unroll=1):
    def step(params, total_loss, batch):
        return sgd_step(params, total_loss, images[batch], labels[batch], learning_rate)

    return scan_steps(step, (params, jnp.zeros(())), order, batch_size, unroll)


def scan_steps(step, state, order, batch_size, unroll):
    """Return the state, a tuple, after a step for every batch of the order."""
    steps = len(order) // batch_size
    whole, ragged = order[: steps * batch_size], order[steps * batch_size :]
    batches = whole.reshape(steps, batch_size)
    state, _ = jax.lax.scan(lambda state, batch: (step(*state, batch), None), state, batches, unroll=unroll)
    return step(*state, ragged) if len(ragged) else state


class JaxScanTrainer(JaxTrainer):
    """All images live on the device; an epoch is one call of one compiled function, its parameters donated."""

    contract = Contract("fused-epoch", data="device-resident")

    def build(self, parameters):
        super().build(parameters)
        # A copy, also on a CPU, where device_put may borrow the host's.
        self.images, self.labels = map(jnp.array, (self.dataset.train_images, self.dataset.train_labels))

    def train_epoch(self, order):
        unroll = UNROLLED if self.device.platform == "gpu" else 1
        total_loss = self.scan(order.astype(np.int32), unroll)  # JAX's own integers
        jax.block_until_ready(self.params)
        return float(total_loss) / len(order)

    def scan(self, order, unroll):
        rate, size = self.workload.learning_rate, self.workload.batch_size
        self.params, total_loss = scan_epoch(self.params, self.images, self.labels, order, rate, size, unroll)
        return total_loss
