"""JAX, compiled ahead of time: the step of jax.py, lowered and compiled for each size of batch before the first."""

from __future__ import annotations

import jax.numpy as jnp

from benchmarks.frameworks.jax import JaxTrainer, jitted_step


class JaxAotTrainer(JaxTrainer):
    def build(self, parameters):
        super().build(parameters)
        batches = self.workload.batches(self.workload.order(1, len(self.dataset.train_labels)))
        self.programs = {}  # by the number of images
        for batch in batches[:1] + batches[-1:]:
            self.program(self.dataset.train_images[batch], self.dataset.train_labels[batch])

    def program(self, images, labels):
        """Return the program of a step over so many images; one that nobody foresaw is compiled when it is wanted."""
        if len(labels) not in self.programs:
            lowered = jitted_step.lower(self.params, jnp.zeros(()), images, labels, self.workload.learning_rate)
            self.programs[len(labels)] = lowered.compile()
        return self.programs[len(labels)]

    def step(self, total_loss, images, labels):
        self.params, total_loss = self.program(images, labels)(self.params, total_loss, images, labels)
        return total_loss
