"""NumPy in float32: the floor that a framework must beat.

Written apart from the oracle (``benchmarks/workload/oracle.py``), and on purpose: sharing its code, it would agree with
it in every mistake, and its parity would prove nothing.
"""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_info

from benchmarks.frameworks.engines.rates import numpy_product
from benchmarks.frameworks.trainer import Contract, NoGpu, Trainer


def forward(params, images):
    """Return the inputs of every layer, and the logits."""
    inputs = [images]
    for weight, bias in params[:-1]:
        inputs.append(np.tanh(inputs[-1] @ weight + bias))
    weight, bias = params[-1]
    return inputs, inputs[-1] @ weight + bias


class NumpyTrainer(Trainer):
    contract = Contract("eager")
    cpu_only = "NumPy computes on CPUs"

    def __init__(self, workload, dataset, parameters, device):
        self.workload, self.dataset, self.params = workload, dataset, parameters

    def train_epoch(self, order):
        images, labels = self.dataset.train_images, self.dataset.train_labels
        total_loss = sum(self.step(images[batch], labels[batch]) for batch in self.workload.batches(order))
        return float(total_loss) / len(order)

    def step(self, images, labels):
        """Take one SGD step and return the sum of the images' losses before it."""
        inputs, logits = forward(self.params, images)
        logits -= logits.max(axis=1, keepdims=True)
        exponentials = np.exp(logits)
        totals = exponentials.sum(axis=1, keepdims=True)
        rows = np.arange(len(labels))
        loss = (np.log(totals[:, 0]) - logits[rows, labels]).sum(dtype=np.float64)

        delta = exponentials / totals
        delta[rows, labels] -= 1
        delta /= len(labels)
        for layer, layer_inputs in zip(reversed(self.params), reversed(inputs)):
            weight = layer[0]
            gradients = layer_inputs.T @ delta, delta.sum(axis=0)
            if layer_inputs is not images:
                delta = (delta @ weight.T) * (1 - layer_inputs**2)  # tanh' = 1 - tanh²
            for array, gradient in zip(layer, gradients):
                gradient *= np.float32(self.workload.learning_rate)
                array -= gradient
        return loss

    def evaluate(self):
        images, labels = self.dataset.test_images, self.dataset.test_labels
        batches = self.workload.batches(np.arange(len(labels)))
        correct = (forward(self.params, images[batch])[1].argmax(axis=1) == labels[batch] for batch in batches)
        return sum(right.sum() for right in correct) / len(labels)

    def logits(self, images):
        return forward(self.params, images)[1]

    def parameters(self):
        return [(weight.copy(), bias.copy()) for weight, bias in self.params]

    @staticmethod
    def matrix_product(device="cpu", precision="fp32"):
        if precision != "fp32":
            return None
        if device == "gpu":
            raise NoGpu
        return np.asarray, numpy_product

    def threads(self):
        return next((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), None)
