"""PyTorch, compiled: torch.compile over the loss, its gradient and the update."""

from __future__ import annotations

import torch

from benchmarks.frameworks.torch import TorchTrainer
from benchmarks.frameworks.trainer import Contract


class TorchCompileTrainer(TorchTrainer):
    """The loss, its gradient and the update, compiled; a second time for the smaller last batch."""

    contract = Contract("compiled")

    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parameters, device)
        self.mean_loss = torch.compile(self.mean_loss, dynamic=False)
        self.optimizer.step = torch.compile(self.optimizer.step)
