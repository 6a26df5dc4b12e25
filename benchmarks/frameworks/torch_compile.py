"""PyTorch, compiled: torch.compile over a whole training step, its gradients and the update included."""

from __future__ import annotations

import torch
from torch.func import functional_call, grad_and_value

from benchmarks.frameworks.torch import TorchTrainer
from benchmarks.frameworks.trainer import Contract, WrongHardware


class TorchCompileTrainer(TorchTrainer):
    """One compiled call a step: ``loss.backward()`` and an optimizer's step would each be a call of its own."""

    contract = Contract("compiled")
    mode = None

    def build(self, workload, parameters):
        super().build(workload, parameters)
        self.learning_rate = workload.learning_rate
        # The smaller last batch has a program of its own.
        self.step = torch.compile(self.sgd_step, dynamic=False, mode=self.mode)
        self.served = torch.compile(self.model, dynamic=False, mode=self.mode)

    @torch.no_grad()
    def sgd_step(self, images, labels):
        parameters = dict(self.model.named_parameters())
        gradients, loss = grad_and_value(self.loss_with)(parameters, images, labels)
        for number, (name, parameter) in enumerate(parameters.items()):
            parameter.sub_(self.descent(number, gradients[name]), alpha=self.learning_rate)
        return loss * len(labels)

    def changed(self):
        """Return the tensors that a step changes in place."""
        return list(self.model.parameters())

    def loss_with(self, parameters, images, labels):
        return self.loss_of(functional_call(self.model, parameters, (images,)), labels)

    def descent(self, number, gradient):
        """Return along what parameter ``number`` is changed."""
        return gradient


def needs_cuda(device):
    if device == "cpu" or not torch.cuda.is_available():
        raise WrongHardware("CUDA graphs need an NVIDIA GPU")


class TorchCompileGraphsTrainer(TorchCompileTrainer):
    """The same, each of its programs captured as a CUDA graph, and so launched at once."""

    mode = "reduce-overhead"

    def __init__(self, workload, dataset, parameters, device):
        needs_cuda(device)
        super().__init__(workload, dataset, parameters, device)
