"""PaddlePaddle: dygraph, its eager mode.

Two things are not what Paddle's users write, and both make it faster: a linear layer of one operation, and on AMD's
processors a switch that has Paddle's old MKL use AVX2. Each says below why it is there.
"""

from __future__ import annotations

import os
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
if CPU_INFO.exists() and {"AuthenticAMD", "avx2"} <= set(CPU_INFO.read_text().split()):
    # Paddle's wheels carry Intel's MKL of 2019, which picks the slowest of its codes for AMD's processors; this asks
    # for the one for AVX2, with which the matrix products are nearly three times as fast.
    os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")

import numpy as np
import paddle
from paddle import nn

from benchmarks.frameworks.trainer import Contract, Trainer


class Linear(nn.Linear):
    """nn.Linear as one operation. Paddle is slow to sum the bias's gradient where an addition of its own makes it."""

    def forward(self, images):
        return paddle.addmm(self.bias, images, self.weight)


class MLP(nn.Sequential):
    def __init__(self, layer_sizes):
        layers = []
        for n_in, n_out in zip(layer_sizes[:-1], layer_sizes[1:]):
            layers += [Linear(n_in, n_out), nn.Tanh()]
        super().__init__(*layers[:-1])


class PaddleTrainer(Trainer):
    contract = Contract("eager")
    cpu_only = "its GPU wheels on PyPI end at release 2.6.2, from before today's GPUs"

    def __init__(self, workload, dataset, parameters, device):
        paddle.set_device("cpu")
        self.workload, self.dataset = workload, dataset
        self.model = MLP(workload.layer_sizes)
        for parameter, array in zip(self.model.parameters(), (array for layer in parameters for array in layer)):
            parameter.set_value(array)
        self.optimizer = paddle.optimizer.SGD(workload.learning_rate, self.model.parameters())

    def train_epoch(self, order):
        total_loss = paddle.zeros([])
        for batch in self.workload.batches(order):
            images = paddle.to_tensor(self.dataset.train_images[batch])
            labels = paddle.to_tensor(self.dataset.train_labels[batch])
            loss = nn.functional.cross_entropy(self.model(images), labels)
            loss.backward()
            self.optimizer.step()
            self.optimizer.clear_grad(set_to_zero=False)  # else it fills them with zeros, to add the next ones to
            total_loss += loss.detach() * len(batch)
        return total_loss.item() / len(order)

    def evaluate(self):
        images, labels = self.dataset.test_images, self.dataset.test_labels
        batches = self.workload.batches(np.arange(len(labels)))
        return sum(int((self.predict(images[batch]) == labels[batch]).sum()) for batch in batches) / len(labels)

    @paddle.no_grad()
    def predict(self, images):
        return self.model(paddle.to_tensor(images)).argmax(axis=1).numpy()

    def parameters(self):
        arrays = [parameter.numpy().copy() for parameter in self.model.parameters()]
        return list(zip(arrays[::2], arrays[1::2]))
