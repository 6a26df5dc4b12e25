"""PyTorch, for any workload: each network an nn.Module, trained as in torch.py."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn

from benchmarks.frameworks.torch import TorchTrainer
from benchmarks.frameworks.trainer import in_precision
from benchmarks.workload.networks import ADAM_EPSILON, BETAS, EPSILON, HEADS, KERNEL, LEFT, SIDE

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "gelu": partial(nn.GELU, approximate="tanh")}


class MLP(nn.Sequential):
    def __init__(self, sizes, activation):
        layers = []
        for n_in, n_out in zip(sizes[:-1], sizes[1:]):
            layers += [nn.Linear(n_in, n_out), activation()]
        super().__init__(*layers[:-1])


class CNN(nn.Module):
    def __init__(self, sizes, activation):
        super().__init__()
        _, first, second, classes = sizes
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(1, first, KERNEL), activation(), nn.AvgPool2d(2)),
            *(nn.Conv2d(first, second, KERNEL), activation(), nn.AvgPool2d(2)),
        )
        self.last = nn.Linear(LEFT * second, classes)

    def forward(self, images):
        values = self.convolutions(images.view(-1, 1, SIDE, SIDE))
        return self.last(values.permute(0, 2, 3, 1).flatten(1))  # the channels last, as the others have them


class RowEmbedding(nn.Linear):
    """A linear layer over each row of an image, with a bias of its own for each row."""

    def __init__(self, width):
        super().__init__(SIDE, width, bias=False)
        self.bias = nn.Parameter(torch.zeros(SIDE, width))

    def forward(self, rows):
        return nn.functional.linear(rows, self.weight) + self.bias


class Transformer(nn.Module):
    def __init__(self, sizes, activation):
        super().__init__()
        _, width, hidden, classes = sizes
        self.embed = RowEmbedding(width)
        self.before, self.project = nn.LayerNorm(width, EPSILON), nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.between, self.widen = nn.LayerNorm(width, EPSILON), nn.Linear(width, hidden)
        self.narrow, self.activation = nn.Linear(hidden, width), activation()
        self.after, self.head = nn.LayerNorm(width, EPSILON), nn.Linear(width, classes)

    def forward(self, images):
        rows = self.embed(images.view(-1, SIDE, SIDE))
        projected = self.project(self.before(rows)).view(len(rows), SIDE, 3, HEADS, -1)
        attended = nn.functional.scaled_dot_product_attention(*projected.permute(2, 0, 3, 1, 4))
        rows = rows + self.mix(attended.transpose(1, 2).reshape(rows.shape))
        rows = rows + self.narrow(self.activation(self.widen(self.between(rows))))
        return self.head(self.after(rows).mean(dim=1))


NETWORKS = {"mlp": MLP, "cnn": CNN, "transformer": Transformer}
# How the axes of the suite's weights become those of PyTorch's: (n_in, n_out), (height, width, n_in, n_out).
AXES = {nn.Linear: (1, 0), RowEmbedding: (1, 0), nn.Conv2d: (3, 2, 0, 1), nn.LayerNorm: (0,)}


def layers_of(model):
    return [(layer, AXES[type(layer)]) for layer in model.modules() if type(layer) in AXES]


class TorchGeneralTrainer(TorchTrainer):
    def build(self, workload, parameters):
        self.contract = in_precision(self.contract, workload.precision, self.device_name)
        if workload.precision == "tf32":
            torch.set_float32_matmul_precision("high")
        model = NETWORKS[workload.network](workload.layer_sizes, ACTIVATIONS[workload.activation])
        with torch.no_grad():
            for (layer, axes), (weight, bias) in zip(layers_of(model), parameters):
                layer.weight.copy_(torch.from_numpy(weight.transpose(axes)))
                layer.bias.copy_(torch.from_numpy(bias))
        self.model = self.served = model.to(self.device)
        if workload.precision == "bf16":
            model.forward = torch.autocast(self.device.type, torch.bfloat16)(model.forward)
        self.squared = workload.loss == "squared-error"
        trained, rate = model.parameters(), workload.learning_rate
        if workload.optimizer == "adam":
            self.optimizer = torch.optim.Adam(trained, rate, BETAS, ADAM_EPSILON)
        else:
            self.optimizer = torch.optim.SGD(trained, rate, workload.momentum)

    def loss_of(self, logits, labels):
        logits = logits.float()
        if self.squared:
            return nn.functional.mse_loss(logits, nn.functional.one_hot(labels, logits.shape[1]).to(logits.dtype))
        return nn.functional.cross_entropy(logits, labels)

    def parameters(self):
        return [
            (
                layer.weight.detach().cpu().numpy().transpose(np.argsort(axes)).copy(),
                layer.bias.detach().cpu().numpy().copy(),
            )
            for layer, axes in layers_of(self.model)
        ]
