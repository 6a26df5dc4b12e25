"""PyTorch, a whole epoch in one call on a CPU: the gradient by hand, oneDNN's products, one TorchScript loop.

Hand-tuned, and not what PyTorch's users write: it shows how fast PyTorch's own kernels can train this network. It calls
a private operator, ``_linear_pointwise``, without autograd, and TorchScript, which PyTorch deprecates.
"""

from __future__ import annotations

from typing import List, Optional

import torch
from torch import Tensor

from benchmarks.frameworks.engines.torch_engine import use_device
from benchmarks.frameworks.torch import TorchTrainer, linear_layers
from benchmarks.frameworks.trainer import Contract, WrongHardware


class TorchEpochTrainer(TorchTrainer):
    contract = Contract("fused-epoch", data="device-resident")

    def __init__(self, workload, dataset, parameters, device):
        if use_device(device)[0].type != "cpu":
            raise WrongHardware("its products are oneDNN's, for CPUs; on a GPU, torch-cudagraph is the fastest")
        super().__init__(workload, dataset, parameters, device)
        self.images, self.labels = (tensor.to(self.device, copy=True) for tensor in self.train_data.tensors)
        self.scripted_epoch = torch.jit.script(sgd_epoch)
        self.learning_rate = workload.learning_rate
        self.weights = [layer.weight.detach() for layer in linear_layers(self.model)]
        self.biases = [layer.bias.detach() for layer in linear_layers(self.model)]

    def train_epoch(self, order):
        order = torch.from_numpy(order).to(self.device)
        total_loss = self.scripted_epoch(
            self.weights, self.biases, self.images, self.labels, order, self.batch_size, self.learning_rate
        )
        self.synchronize()
        return total_loss.item() / len(order)


def linear(inputs: Tensor, weight: Tensor, bias: Optional[Tensor], activation: str):
    """Return ``activation(inputs @ weight.T + bias)`` by oneDNN, whose products beat MKL's on AMD's processors."""
    return torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, activation, [], "")


def sgd_epoch(
    weights: List[Tensor],
    biases: List[Tensor],
    images: Tensor,
    labels: Tensor,
    order: Tensor,
    batch_size: int,
    learning_rate: float,
):
    total_loss = torch.zeros((), device=images.device)
    last = len(weights) - 1
    for batch in order.split(batch_size):
        inputs = [images[batch]]
        for i in range(last):
            inputs.append(linear(inputs[i], weights[i], biases[i], "tanh"))
        log_probabilities = torch.log_softmax(linear(inputs[last], weights[last], biases[last], "none"), 1)
        target = labels[batch].unsqueeze(1)
        total_loss -= log_probabilities.gather(1, target).sum()

        delta = log_probabilities.exp()
        delta.scatter_add_(1, target, torch.full_like(target, -1, dtype=torch.float32))
        delta /= len(batch)
        for j in range(last + 1):
            i = last - j
            weight_gradient = linear(delta.t(), inputs[i].t(), None, "none")
            bias_gradient = delta.sum(0)
            if i:
                delta = torch.ops.aten.tanh_backward(linear(delta, weights[i].t(), None, "none"), inputs[i])
            weights[i].sub_(weight_gradient, alpha=learning_rate)
            biases[i].sub_(bias_gradient, alpha=learning_rate)
    return total_loss
