"""PyTorch, compiled, for any workload: a whole training step of torch_general.py's networks."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.frameworks.torch_compile import TorchCompileGraphsTrainer, TorchCompileTrainer
from benchmarks.frameworks.torch_general import TorchGeneralTrainer
from benchmarks.workload.networks import ADAM_EPSILON, BETAS


class TorchCompileGeneralTrainer(TorchCompileTrainer, TorchGeneralTrainer):
    def build(self, workload, parameters):
        super().build(workload, parameters)
        self.momentum, self.adam = workload.momentum, workload.optimizer == "adam"
        trained = list(self.model.parameters())
        self.velocities = zeros(trained if self.momentum else ())
        self.means, self.squares = (zeros(trained if self.adam else ()) for _ in BETAS)
        self.steps = zeros([each.flatten()[0] for each in trained] if self.adam else ())

    def changed(self):
        return [*super().changed(), *self.velocities, *self.means, *self.squares, *self.steps]

    def descent(self, number, gradient):
        if self.momentum:
            return self.velocities[number].mul_(self.momentum).add_(gradient)
        return self.adams(number, gradient) if self.adam else gradient

    def adams(self, number, gradient):
        first, second = BETAS
        step = self.steps[number].add_(1)
        mean = self.means[number].mul_(first).add_(gradient, alpha=1 - first)
        square = self.squares[number].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        return mean / (1 - first**step) / ((square / (1 - second**step)).sqrt() + ADAM_EPSILON)


def zeros(like):
    """Return parameters of a module, which stay where they are: so a CUDA graph may change them in place."""
    return nn.ParameterList(nn.Parameter(torch.zeros_like(each), False) for each in like)


class TorchCompileGraphsGeneralTrainer(TorchCompileGraphsTrainer, TorchCompileGeneralTrainer):
    """Which its two classes make it."""
