"""MindSpore: PyNative, its eager mode and default, or the whole step compiled to a graph."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import nn, ops

from benchmarks.frameworks.trainer import Contract, Trainer, threads_asked


class MindsporeTrainer(Trainer):
    contract = Contract("eager")
    cpu_only = "its wheels' GPU plugins are built for CUDA 11.1 and 11.6"

    def __init__(self, workload, dataset, parameters, device):
        ms.set_device("CPU")
        ms.device_context.cpu.op_tuning.threads_num(threads_asked())  # else it counts the machine's cores
        # Else each operation passes through a pipeline of threads that spin as they wait, on the cores that compute.
        ms.runtime.launch_blocking()
        self.workload, self.dataset = workload, dataset
        layers = []
        for weight, bias in parameters:
            weight = ms.Tensor(np.ascontiguousarray(weight.T))
            layers += [nn.Dense(weight.shape[1], weight.shape[0], weight, ms.Tensor(bias)), nn.Tanh()]
        self.model = nn.SequentialCell(*layers[:-1])
        self.weights = ms.ParameterTuple(self.model.trainable_params())
        # One operation; ops.cross_entropy is many, and slow ones.
        self.cross_entropy = nn.SoftmaxCrossEntropyWithLogits(sparse=True, reduction="mean")
        self.descend = ops.ApplyGradientDescent()  # nn.SGD compiles a graph of its own, which is not eager
        self.loss_and_gradients = ms.value_and_grad(self.mean_loss, None, self.weights)

    def mean_loss(self, images, labels):
        return self.cross_entropy(self.model(images), labels)

    def step(self, images, labels):
        loss, gradients = self.loss_and_gradients(images, labels)
        for parameter, gradient in zip(self.weights, gradients):
            self.descend(parameter, self.workload.learning_rate, gradient)
        return loss

    def train_epoch(self, order):
        total_loss = 0.0
        for batch in self.workload.batches(order):
            images = ms.Tensor(self.dataset.train_images[batch])
            labels = ms.Tensor(self.dataset.train_labels[batch])
            total_loss += float(self.step(images, labels).asnumpy()) * len(batch)
        return total_loss / len(order)

    def evaluate(self):
        images, labels = self.dataset.test_images, self.dataset.test_labels
        batches = self.workload.batches(np.arange(len(labels)))
        predicted = (self.model(ms.Tensor(images[batch])).asnumpy().argmax(axis=1) for batch in batches)
        return sum(int((now == labels[batch]).sum()) for now, batch in zip(predicted, batches)) / len(labels)

    def parameters(self):
        arrays = [parameter.asnumpy().T.copy() for parameter in self.weights]
        return list(zip(arrays[::2], arrays[1::2]))

    def threads(self):
        return ms.get_context("runtime_num_threads")


class MindsporeGraphTrainer(MindsporeTrainer):
    contract = Contract("graph")

    def __init__(self, workload, dataset, parameters, device):
        ms.set_context(mode=ms.GRAPH_MODE)
        super().__init__(workload, dataset, parameters, device)
        optimizer = nn.SGD(self.weights, workload.learning_rate)
        self.step = nn.TrainOneStepCell(nn.WithLossCell(self.model, self.cross_entropy), optimizer).set_train()
