"""MXNet's Gluon: a Sequential block, autograd.record and gluon.Trainer; eager, and hybridized into a graph."""

from __future__ import annotations

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from benchmarks.frameworks.trainer import Contract, Trainer


class MxnetTrainer(Trainer):
    contract = Contract("eager")
    cpu_only = "its last wheels are built for CUDA 11.7 and for GPUs no newer than Ampere"

    def __init__(self, workload, dataset, parameters, device):
        self.workload, self.dataset = workload, dataset
        self.net = gluon.nn.HybridSequential()
        *hidden, classes = workload.layer_sizes[1:]
        for units in hidden:
            self.net.add(gluon.nn.Dense(units, activation="tanh"))
        self.net.add(gluon.nn.Dense(classes))
        for layer, (weight, bias) in zip(self.net, parameters):
            layer.weight.shape = weight.T.shape
            layer.initialize()
            layer.weight.set_data(mx.nd.array(weight.T))
            layer.bias.set_data(mx.nd.array(bias))
        self.loss = gluon.loss.SoftmaxCrossEntropyLoss()
        self.optimizer = gluon.Trainer(self.net.collect_params(), "sgd", {"learning_rate": workload.learning_rate})

    def train_epoch(self, order):
        total_loss = mx.nd.zeros(1)
        for batch in self.workload.batches(order):
            images = mx.nd.from_numpy(self.dataset.train_images[batch])
            labels = mx.nd.from_numpy(self.dataset.train_labels[batch])
            with autograd.record():
                losses = self.loss(self.net(images), labels)
            losses.backward()
            self.optimizer.step(len(batch))
            total_loss += losses.sum()
        mx.nd.waitall()
        return total_loss.asscalar() / len(order)

    def evaluate(self):
        correct = 0
        for batch in self.workload.batches(np.arange(len(self.dataset.test_labels))):
            predicted = self.net(mx.nd.from_numpy(self.dataset.test_images[batch])).argmax(axis=1)
            correct += int((predicted.asnumpy() == self.dataset.test_labels[batch]).sum())
        return correct / len(self.dataset.test_labels)

    def parameters(self):
        return [(layer.weight.data().asnumpy().T.copy(), layer.bias.data().asnumpy()) for layer in self.net]


class MxnetHybridTrainer(MxnetTrainer):
    contract = Contract("graph")

    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parameters, device)
        self.net.hybridize(static_alloc=True, static_shape=True)
        self.loss.hybridize(static_alloc=True, static_shape=True)
