"""How the oracle descends along its gradients, in NumPy and in the precision of its parameters."""

from __future__ import annotations

import numpy as np

from benchmarks.workload.networks import ADAM_EPSILON, BETAS


class Sgd:
    """``velocity = momentum * velocity + gradient``, and each array less the rate times that.

    :param arrays: the parameters, which :meth:`step` changes in place.
    """

    def __init__(self, workload, arrays):
        self.arrays = arrays
        self.rate, self.momentum = (arrays[0].dtype.type(its) for its in (workload.learning_rate, workload.momentum))
        self.velocities = [np.zeros_like(array) for array in arrays if workload.momentum]

    def step(self, gradients):
        for velocity, gradient in zip(self.velocities, gradients):
            velocity *= self.momentum
            velocity += gradient
        for array, step in zip(self.arrays, self.velocities or gradients):
            array -= self.rate * step


class Adam:
    """Algorithm 1 of Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015: PyTorch's and Optax's.

    Keras has the paper's other form, in which epsilon stands before the squares are corrected for their start.
    """

    def __init__(self, workload, arrays):
        self.arrays, self.rate, self.steps = arrays, workload.learning_rate, 0
        self.means, self.squares = ([np.zeros_like(array) for array in arrays] for _ in BETAS)

    def step(self, gradients):
        self.steps += 1
        for each, gradient in zip(zip(self.arrays, self.means, self.squares), gradients):
            array, *averages = each
            for average, now, beta in zip(averages, (gradient, gradient * gradient), BETAS):
                average *= beta
                average += (1 - beta) * now
            mean, square = (average / (1 - beta**self.steps) for average, beta in zip(averages, BETAS))
            array -= self.rate * mean / (np.sqrt(square) + ADAM_EPSILON)


OPTIMIZERS = {"sgd": Sgd, "adam": Adam}
