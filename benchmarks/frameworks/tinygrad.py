"""tinygrad: nn.Linear layers, nn.optim.SGD and one TinyJit step for each size of batch; NumPy cuts the batches."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict

# Kernels from an earlier process would spare the first epoch its compilation; the worker's temporary directory is new.
os.environ.setdefault("CACHEDB", os.path.join(tempfile.gettempdir(), "tinygrad.db"))

import numpy as np
from tinygrad import Context, Device, Tensor, TinyJit, nn

from benchmarks.frameworks.engines.tinygrad_engine import settings
from benchmarks.frameworks.trainer import Contract, Trainer


class MLP:
    def __init__(self, layer_sizes):
        self.layers = [nn.Linear(n_in, n_out) for n_in, n_out in zip(layer_sizes[:-1], layer_sizes[1:])]

    def __call__(self, values):
        for layer in self.layers[:-1]:
            values = layer(values).tanh()
        return self.layers[-1](values)


class TinygradTrainer(Trainer):
    contract = Contract("compiled")

    def __init__(self, workload, dataset, parameters, device):
        self.settings, self.device_name = settings(device)
        self.workload, self.dataset = workload, dataset
        with Context(**self.settings):
            self.model = MLP(workload.layer_sizes)
            for layer, (weight, bias) in zip(self.model.layers, parameters):
                layer.weight.replace(Tensor(weight.T.copy()).realize())
                layer.bias.replace(Tensor(bias).realize())
            self.optimizer = nn.optim.SGD(nn.state.get_parameters(self.model), workload.learning_rate)
            self.total_loss = Tensor.zeros().contiguous().realize()
        # A TinyJit replays kernels of fixed shapes, so the ragged last batch has one of its own.
        self.steps = defaultdict(lambda: TinyJit(self.step))
        self.counts = defaultdict(lambda: TinyJit(self.count_correct))
        self.answers = defaultdict(lambda: TinyJit(lambda images: self.model(images).realize()))

    def step(self, images, labels):
        self.optimizer.zero_grad()
        loss = self.model(images).sparse_categorical_crossentropy(labels).backward()
        self.total_loss.assign(self.total_loss + loss * len(labels))
        Tensor.realize(self.total_loss, *self.optimizer.schedule_step())

    def count_correct(self, images, labels):
        return (self.model(images).argmax(axis=1) == labels).sum().realize()

    def train_epoch(self, order):
        images, labels = self.dataset.train_images, self.dataset.train_labels
        with Context(TRAINING=1, **self.settings):
            self.total_loss.assign(Tensor.zeros()).realize()
            for batch in self.workload.batches(order):
                self.steps[len(batch)](Tensor(images[batch]), Tensor(labels[batch]))
            Device.default.synchronize()
            return self.total_loss.item() / len(order)

    def evaluate(self):
        images, labels = self.dataset.test_images, self.dataset.test_labels
        correct = 0
        with Context(**self.settings):
            for batch in self.workload.batches(np.arange(len(labels))):
                correct += self.counts[len(batch)](Tensor(images[batch]), Tensor(labels[batch])).item()
        return correct / len(labels)

    def logits(self, images):
        with Context(**self.settings):
            return self.answers[len(images)](Tensor(images)).numpy()

    def parameters(self):
        with Context(**self.settings):
            return [(layer.weight.numpy().T.copy(), layer.bias.numpy()) for layer in self.model.layers]

    # No threads(): NUM_CPU_THREADS says into how many parts a kernel is cut; tinygrad 0.14 runs them one after another.
