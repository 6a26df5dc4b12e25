"""PyTorch, scripted: TorchScript's model in the eager step.

Legacy, for programs that still run it: PyTorch deprecates ``torch.jit.script``, and names torch.compile in its place.
"""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.frameworks.torch import TorchTrainer
from benchmarks.frameworks.trainer import Contract


class TorchScriptTrainer(TorchTrainer):
    contract = Contract("compiled")

    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parameters, device)
        self.scripted = self.served = torch.jit.script(self.model)  # shares its parameters

    def mean_loss(self, images, labels):
        return nn.functional.cross_entropy(self.scripted(images), labels)
