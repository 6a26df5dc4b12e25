"""MindSpore: cells and value_and_grad, in PyNative mode, its default, or with the whole step one graph."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import nn, ops

from benchmarks.frameworks.trainer import Contract, Trainer


def network(layer_sizes):
    layers = []
    for n_in, n_out in zip(layer_sizes[:-1], layer_sizes[1:]):
        layers += [nn.Dense(n_in, n_out), nn.Tanh()]
    return nn.SequentialCell(*layers[:-1])


class MindsporeTrainer(Trainer):
    contract = Contract("eager")
    cpu_only = "its wheels are built for CPUs and Ascend"

    def __init__(self, workload, dataset, parameters, device):
        ms.set_device("CPU")
        ms.runtime.set_cpu_affinity(False)  # the worker's own is already cut to --threads
        self.workload, self.dataset = workload, dataset
        self.model = network(workload.layer_sizes)
        self.dense = [cell for cell in self.model if isinstance(cell, nn.Dense)]
        for layer, (weight, bias) in zip(self.dense, parameters):
            layer.weight.set_data(ms.Tensor(weight.T.copy()))
            layer.bias.set_data(ms.Tensor(bias))
        self.optimizer = nn.SGD(self.model.trainable_params(), workload.learning_rate)
        self.loss_and_gradients = ms.value_and_grad(self.mean_loss, None, self.optimizer.parameters)

    def mean_loss(self, images, labels):
        return ops.cross_entropy(self.model(images), labels)

    def step(self, images, labels):
        loss, gradients = self.loss_and_gradients(images, labels)
        self.optimizer(gradients)
        return loss

    def train_epoch(self, order):
        total_loss = ms.Tensor(0.0, ms.float32)
        for batch in self.workload.batches(order):
            images, labels = self.dataset.train_images[batch], self.dataset.train_labels[batch]
            total_loss += self.step(ms.Tensor(images), ms.Tensor(labels)) * len(batch)
        ms.runtime.synchronize()
        return float(total_loss.asnumpy()) / len(order)

    def evaluate(self):
        images, labels = self.dataset.test_images, self.dataset.test_labels
        correct = 0
        for batch in self.workload.batches(np.arange(len(labels))):
            correct += int((self.model(ms.Tensor(images[batch])).asnumpy().argmax(axis=1) == labels[batch]).sum())
        return correct / len(labels)

    def parameters(self):
        return [(layer.weight.asnumpy().T.copy(), layer.bias.asnumpy().copy()) for layer in self.dense]


class MindsporeGraphTrainer(MindsporeTrainer):
    contract = Contract("graph")

    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parameters, device)
        self.step = ms.jit(self.step)
