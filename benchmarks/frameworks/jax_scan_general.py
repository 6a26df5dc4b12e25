"""JAX, a whole epoch in one call, for any workload: the steps of jax_general.py scanned on the device."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from benchmarks.frameworks.jax_general import JaxGeneralTrainer, take_step
from benchmarks.frameworks.jax_scan import JaxScanTrainer, scan_steps


@partial(jax.jit, donate_argnames=("params", "memory"), static_argnames=("workload", "unroll"))
def scan_epoch(params, memory, images, labels, order, workload, unroll):
    def step(*state_and_batch):
        *state, batch = state_and_batch
        return take_step(*state, images[batch], labels[batch], workload)

    return scan_steps(step, (params, memory, jnp.zeros(())), order, workload.batch_size, unroll)


class JaxScanGeneralTrainer(JaxScanTrainer, JaxGeneralTrainer):
    def scan(self, order, unroll):
        self.params, self.memory_of_steps, total_loss = scan_epoch(
            self.params, self.memory_of_steps, self.images, self.labels, order, self.workload, unroll
        )
        return total_loss
