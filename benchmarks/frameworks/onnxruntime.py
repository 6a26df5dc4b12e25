"""ONNX Runtime, on-device training: a forward ONNX graph in, its training, evaluation and optimizer graphs run."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.training import artifacts
from onnxruntime.training.api import CheckpointState, Module, Optimizer

from benchmarks.frameworks.trainer import Contract, Trainer, threads_asked


def forward_graph(parameters):
    """Return the ONNX model from ``images`` to ``logits`` and the names of its parameters, in their order."""
    nodes, initializers, values = [], [], "images"
    for i, layer in enumerate(parameters):
        names = [f"weight{i}", f"bias{i}"]
        initializers += map(numpy_helper.from_array, layer, names)
        last = i == len(parameters) - 1
        product = "logits" if last else f"product{i}"
        nodes.append(helper.make_node("Gemm", [values, *names], [product]))
        if not last:
            values = f"hidden{i}"
            nodes.append(helper.make_node("Tanh", [product], [values]))
    inputs = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", parameters[0][0].shape[0]])
    outputs = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", parameters[-1][0].shape[1]])
    graph = helper.make_graph(nodes, "mlp", [inputs], [outputs], initializers)
    return helper.make_model(graph), [initializer.name for initializer in initializers]


class OnnxRuntimeTrainer(Trainer):
    contract = Contract("graph")
    cpu_only = "its last GPU wheels are built for CUDA 11.8"

    def __init__(self, workload, dataset, parameters, device):
        self.workload, self.dataset = workload, dataset
        self.train_labels = dataset.train_labels.astype(np.int64)
        self.test_labels = dataset.test_labels.astype(np.int64)
        model, self.names = forward_graph(parameters)
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = threads_asked()  # the default: all cores, whatever the affinity
        with tempfile.TemporaryDirectory() as directory:
            artifacts.generate_artifacts(
                model,
                requires_grad=self.names,
                loss=artifacts.LossType.CrossEntropyLoss,
                optimizer=artifacts.OptimType.SGD,
                additional_output_names=["logits"],
                artifact_directory=directory,
            )
            paths = Path(directory)
            self.state = CheckpointState.load_checkpoint(paths / "checkpoint")
            self.module = Module(
                paths / "training_model.onnx", self.state, paths / "eval_model.onnx", session_options=self.options
            )
            self.optimizer = Optimizer(paths / "optimizer_model.onnx", self.module)
        self.optimizer.set_learning_rate(workload.learning_rate)

    def train_epoch(self, order):
        self.module.train()
        total_loss = 0.0
        for batch in self.workload.batches(order):
            loss, _ = self.module(self.dataset.train_images[batch], self.train_labels[batch])
            self.optimizer.step()
            self.module.lazy_reset_grad()
            total_loss += float(loss) * len(batch)
        return total_loss / len(order)

    def evaluate(self):
        self.module.eval()
        correct = 0
        for batch in self.workload.batches(np.arange(len(self.test_labels))):
            _, logits = self.module(self.dataset.test_images[batch], self.test_labels[batch])
            correct += int((logits.argmax(axis=1) == self.test_labels[batch]).sum())
        return correct / len(self.test_labels)

    def parameters(self):
        arrays = [self.state.parameters[name].data.copy() for name in self.names]  # of views
        return list(zip(arrays[::2], arrays[1::2]))

    def threads(self):
        return self.options.intra_op_num_threads
