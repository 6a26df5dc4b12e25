"""MXNet's Gluon: dense layers, autograd.record and gluon.Trainer; eager, or hybridized."""

from __future__ import annotations

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from benchmarks.frameworks.trainer import Contract, Trainer

STEPS_AHEAD = 32


class MxnetTrainer(Trainer):
    contract = Contract("eager")
    cpu_only = "its last wheels, for CUDA 11.7, have code for no GPU newer than Ampere's"

    def __init__(self, workload, dataset, parameters, device):
        self.workload, self.dataset = workload, dataset
        self.net = gluon.nn.HybridSequential()
        for n_in, n_out in zip(workload.layer_sizes[:-2], workload.layer_sizes[1:-1]):
            self.net.add(gluon.nn.Dense(n_out, activation="tanh", in_units=n_in))
        self.net.add(gluon.nn.Dense(workload.layer_sizes[-1], in_units=workload.layer_sizes[-2]))
        self.net.initialize()
        for layer, (weight, bias) in zip(self.net, parameters):
            layer.weight.set_data(mx.nd.array(weight.T))
            layer.bias.set_data(mx.nd.array(bias))
        self.loss = gluon.loss.SoftmaxCrossEntropyLoss()  # of each image
        self.optimizer = gluon.Trainer(self.net.collect_params(), "sgd", {"learning_rate": workload.learning_rate})

    def train_epoch(self, order):
        images, labels = self.dataset.train_images, self.dataset.train_labels
        total_loss = mx.nd.zeros(1)
        for step, batch in enumerate(self.workload.batches(order), start=1):
            batch_images, batch_labels = mx.nd.from_numpy(images[batch]), mx.nd.from_numpy(labels[batch])
            with autograd.record():
                losses = self.loss(self.net(batch_images), batch_labels)
            losses.backward()  # of their sum; the optimizer divides by the length of the batch
            self.optimizer.step(len(batch))
            total_loss += losses.sum()
            if step % STEPS_AHEAD == 0:
                total_loss.wait_to_read()  # Python is far ahead of the engine, and each batch that waits takes memory
        mx.nd.waitall()
        return total_loss.asscalar() / len(order)

    def evaluate(self):
        images, labels = self.dataset.test_images, self.dataset.test_labels
        correct = 0
        for batch in self.workload.batches(np.arange(len(labels))):
            predicted = self.net(mx.nd.from_numpy(images[batch])).argmax(axis=1)
            correct += int((predicted.asnumpy() == labels[batch]).sum())
        return correct / len(labels)

    def parameters(self):
        return [(layer.weight.data().asnumpy().T.copy(), layer.bias.data().asnumpy()) for layer in self.net]


class MxnetHybridTrainer(MxnetTrainer):
    contract = Contract("graph")

    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parameters, device)
        for block in (self.net, self.loss):
            block.hybridize(static_alloc=True, static_shape=True)
