"""PyTorch, compiled, for any workload: a whole training step of torch_general.py's networks."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.frameworks.torch_compile import TorchCompileGraphsTrainer, TorchCompileTrainer
from benchmarks.frameworks.torch_general import TorchGeneralTrainer


class TorchCompileGeneralTrainer(TorchCompileTrainer, TorchGeneralTrainer):
    def build(self, workload, parameters):
        super().build(workload, parameters)
        self.momentum = workload.momentum
        # Parameters of a module, so that they stay where they are, and a CUDA graph may change them in place.
        trained = self.model.parameters() if self.momentum else ()
        self.velocities = nn.ParameterList(nn.Parameter(torch.zeros_like(each), False) for each in trained)

    def changed(self):
        return [*super().changed(), *self.velocities]

    def descent(self, number, gradient):
        return self.velocities[number].mul_(self.momentum).add_(gradient) if self.momentum else gradient


class TorchCompileGraphsGeneralTrainer(TorchCompileGraphsTrainer, TorchCompileGeneralTrainer):
    """Which its two classes make it."""
