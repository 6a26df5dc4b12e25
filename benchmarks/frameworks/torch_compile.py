"""PyTorch, compiled: torch.compile over the loss with its gradient, and over the optimizer's step."""

from __future__ import annotations

import torch

from benchmarks.frameworks.torch import TorchTrainer
from benchmarks.frameworks.trainer import Contract


class TorchCompileTrainer(TorchTrainer):
    contract = Contract("compiled")

    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parameters, device)
        self.compiled_loss = torch.compile(self.mean_loss, dynamic=False)  # once more for the smaller last batch
        self.compiled_update = torch.compile(self.update)
        self.served = torch.compile(self.model, dynamic=False)

    def update(self):
        self.optimizer.step()

    def step(self, images, labels):
        self.optimizer.zero_grad()
        loss = self.compiled_loss(images, labels)
        loss.backward()
        self.compiled_update()
        return loss.detach() * len(labels)
