"""MLX: an nn.Module, optimizers.SGD and one compiled step; NumPy cuts the batches."""

from __future__ import annotations

import os

os.environ["MLX_ENABLE_TF32"] = "0"  # fp32 means fp32; MLX's default on a GPU is TF32

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optimizers
import numpy as np

from benchmarks.frameworks.trainer import Contract, NoGpu, Trainer


class MLP(nn.Module):
    def __init__(self, layer_sizes):
        super().__init__()
        self.layers = [nn.Linear(n_in, n_out) for n_in, n_out in zip(layer_sizes[:-1], layer_sizes[1:])]

    def __call__(self, values):
        for layer in self.layers[:-1]:
            values = mx.tanh(layer(values))
        return self.layers[-1](values)


def mean_loss(model, images, labels):
    return nn.losses.cross_entropy(model(images), labels, reduction="mean")


class MlxTrainer(Trainer):
    contract = Contract("compiled")

    def __init__(self, workload, dataset, parameters, device):
        gpu = mx.is_available(mx.gpu)
        if device == "gpu" and not gpu:
            raise NoGpu
        self.on_gpu = gpu and device != "cpu"
        mx.set_default_device(mx.gpu if self.on_gpu else mx.cpu)
        self.device_name = f"gpu:{mx.device_info()['device_name']}" if self.on_gpu else "cpu"
        self.workload, self.dataset = workload, dataset
        self.model = MLP(workload.layer_sizes)
        for layer, (weight, bias) in zip(self.model.layers, parameters):
            layer.update({"weight": mx.array(weight.T), "bias": mx.array(bias)})
        self.optimizer = optimizers.SGD(workload.learning_rate)
        self.optimizer.init(self.model.trainable_parameters())
        self.state = [self.model.state, self.optimizer.state]
        mx.eval(self.state)
        loss_and_gradients = nn.value_and_grad(self.model, mean_loss)

        def step(total_loss, images, labels):
            loss, gradients = loss_and_gradients(self.model, images, labels)
            self.optimizer.update(self.model, gradients)
            return total_loss + loss * labels.size

        def count_correct(images, labels):
            return (self.model(images).argmax(axis=1) == labels).sum()

        self.step = mx.compile(step, inputs=self.state, outputs=self.state)
        self.count_correct = mx.compile(count_correct, inputs=[self.model.state])

    def train_epoch(self, order):
        images, labels = self.dataset.train_images, self.dataset.train_labels
        total_loss = mx.array(0.0)
        for batch in self.workload.batches(order):
            total_loss = self.step(total_loss, mx.array(images[batch]), mx.array(labels[batch]))
            mx.async_eval(self.state, total_loss)  # MLX is lazy: else all steps would pile up into one graph
        mx.eval(self.state, total_loss)
        return total_loss.item() / len(order)

    def evaluate(self):
        images, labels = self.dataset.test_images, self.dataset.test_labels
        correct = 0
        for batch in self.workload.batches(np.arange(len(labels))):
            correct += self.count_correct(mx.array(images[batch]), mx.array(labels[batch])).item()
        return correct / len(labels)

    def parameters(self):
        return [(np.array(layer.weight).T.copy(), np.array(layer.bias)) for layer in self.model.layers]

    def memory(self):
        return {"allocator_peak_bytes": mx.get_peak_memory()}
