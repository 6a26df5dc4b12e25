"""PaddlePaddle: dygraph, its eager mode, and a static program that its Executor runs."""

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
from paddle.nn.initializer import Assign

from benchmarks.frameworks.trainer import Contract, Trainer


class Linear(nn.Linear):
    """nn.Linear as one operation. Paddle is slow to sum the bias's gradient where an addition of its own makes it."""

    def forward(self, images):
        return paddle.addmm(self.bias, images, self.weight)


class MLP(nn.Sequential):
    def __init__(self, parameters):
        layers = []
        for number, (weight, bias) in enumerate(parameters, start=1):
            weight_attr = paddle.ParamAttr(f"weight{number}", Assign(weight))
            bias_attr = paddle.ParamAttr(f"bias{number}", Assign(bias))
            layers += [Linear(*weight.shape, weight_attr, bias_attr), nn.Tanh()]
        super().__init__(*layers[:-1])


class PaddleTrainer(Trainer):
    contract = Contract("eager")
    cpu_only = "its GPU wheels on PyPI end at release 2.6.2, from before today's GPUs"

    def __init__(self, workload, dataset, parameters, device):
        paddle.set_device("cpu")
        self.workload, self.dataset = workload, dataset
        self.model = MLP(parameters)
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


class PaddleStaticTrainer(PaddleTrainer):
    contract = Contract("graph")

    def __init__(self, workload, dataset, parameters, device):
        paddle.enable_static()
        # One operation after the other, each with all threads. By default the operations run beside each other, and
        # every one that multiplies matrices does so with as many threads as there are cores.
        paddle.set_flags({"FLAGS_enable_pir_in_executor_trace_run": True})
        self.workload, self.dataset = workload, dataset
        self.train_program, start_program = paddle.static.Program(), paddle.static.Program()
        with paddle.static.program_guard(self.train_program, start_program):
            images = paddle.static.data("images", [None, workload.layer_sizes[0]], "float32")
            labels = paddle.static.data("labels", [None], "int32")
            model = MLP(parameters)
            self.loss = nn.functional.cross_entropy(model(images), labels)
            paddle.optimizer.SGD(workload.learning_rate).minimize(self.loss)
        self.test_program = paddle.static.Program()
        with paddle.static.program_guard(self.test_program, paddle.static.Program()):
            images = paddle.static.data("images", [None, workload.layer_sizes[0]], "float32")
            self.predicted = MLP(parameters)(images).argmax(axis=1)  # finds the trained parameters by their names
        self.names = [parameter.name for parameter in model.parameters()]
        self.executor = paddle.static.Executor(paddle.CPUPlace())
        self.executor.run(start_program)

    def train_epoch(self, order):
        total_loss = 0.0
        for batch in self.workload.batches(order):
            feed = {"images": self.dataset.train_images[batch], "labels": self.dataset.train_labels[batch]}
            (loss,) = self.executor.run(self.train_program, feed, [self.loss])
            total_loss += float(loss) * len(batch)
        return total_loss / len(order)

    def predict(self, images):
        return self.executor.run(self.test_program, {"images": images}, [self.predicted])[0]

    def parameters(self):
        scope = paddle.static.global_scope()
        arrays = [np.array(scope.find_var(name).get_tensor()) for name in self.names]
        return list(zip(arrays[::2], arrays[1::2]))
