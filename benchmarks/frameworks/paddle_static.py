"""PaddlePaddle, a static program that its Executor runs."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from benchmarks.frameworks.paddle import MLP, PaddleTrainer
from benchmarks.frameworks.trainer import Contract


class PaddleStaticTrainer(PaddleTrainer):
    contract = Contract("graph")

    def __init__(self, workload, dataset, parameters, device):
        paddle.enable_static()
        # One operation after the other, each with all threads. By default the operations run beside each other, and
        # every one that multiplies matrices does so with as many threads as there are cores.
        paddle.set_flags({"FLAGS_enable_pir_in_executor_trace_run": True})
        self.workload, self.dataset = workload, dataset
        self.train_program, self.test_program, start = (paddle.static.Program() for _ in range(3))
        with paddle.static.program_guard(self.train_program, start), paddle.utils.unique_name.guard():
            labels = paddle.static.data("labels", [None], "int32")
            model, logits = self.network()
            self.loss = nn.functional.cross_entropy(logits, labels)
            paddle.optimizer.SGD(workload.learning_rate).minimize(self.loss)
        # The same names again: this network's parameters are the trained ones.
        with paddle.static.program_guard(self.test_program, paddle.static.Program()), paddle.utils.unique_name.guard():
            self.predicted = self.network()[1].argmax(axis=1)
        self.executor = paddle.static.Executor(paddle.CPUPlace())
        self.executor.run(start)
        scope = paddle.static.global_scope()
        self.variables = [scope.find_var(parameter.name).get_tensor() for parameter in model.parameters()]
        for variable, array in zip(self.variables, (array for layer in parameters for array in layer)):
            variable.set(array, paddle.CPUPlace())

    def network(self):
        model = MLP(self.workload.layer_sizes)
        return model, model(paddle.static.data("images", [None, self.workload.layer_sizes[0]], "float32"))

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
        arrays = [np.array(variable) for variable in self.variables]
        return list(zip(arrays[::2], arrays[1::2]))
