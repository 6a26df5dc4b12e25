"""JAX, compiled ahead of time: the step of jax.py, lowered and compiled for each size of batch before the first."""

from __future__ import annotations

import jax.numpy as jnp

from benchmarks.frameworks.jax import JaxTrainer, jitted_step


class JaxAotTrainer(JaxTrainer):
    def build(self, parameters):
        super().build(parameters)
        batches = self.workload.batches(self.workload.order(1, len(self.dataset.train_labels)))
        sizes = {len(batch): batch for batch in batches}
        self.programs = {size: self.program(batch) for size, batch in sizes.items()}

    def program(self, batch):
        images, labels = self.dataset.train_images[batch], self.dataset.train_labels[batch]
        lowered = jitted_step.lower(self.params, jnp.zeros(()), images, labels, self.workload.learning_rate)
        return lowered.compile()

    def step(self, total_loss, images, labels):
        self.params, total_loss = self.programs[len(labels)](self.params, total_loss, images, labels)
        return total_loss
