"""Caffe2: brew's layers in a net, its gradient operators, and SGD as weighted sums; on oneDNN's operators."""

from __future__ import annotations

import numpy as np
from caffe2.proto import caffe2_pb2
from caffe2.python import brew, core, model_helper, workspace

from benchmarks.frameworks.trainer import Contract, Trainer

workspace.GlobalInit(["caffe2", "--caffe2_log_level=2"])

# The plain CPU operators multiply with an MKL that takes three times as long where the processor is not Intel's.
ONEDNN = core.DeviceOption(caffe2_pb2.IDEEP)


def add_layers(model, layer_sizes):
    """Append the network to a model and return the name of the logits."""
    blob = "images"
    sizes = list(zip(layer_sizes[:-1], layer_sizes[1:]))
    for number, (n_in, n_out) in enumerate(sizes, start=1):
        blob = brew.fc(model, blob, f"fc{number}", n_in, n_out, training_mode=1)  # 0 would cache the weights
        if number < len(sizes):
            blob = brew.tanh(model, blob, f"tanh{number}")
    return blob


class Caffe2Trainer(Trainer):
    contract = Contract("graph")
    cpu_only = "its last wheels are built for CUDA 10.2"

    def __init__(self, workload, dataset, parameters, device):
        self.workload, self.dataset = workload, dataset
        with core.DeviceScope(ONEDNN):
            self.model = self.training_model(workload)
            self.predictor = model_helper.ModelHelper("predict", init_params=False)
            self.logits = add_layers(self.predictor, workload.layer_sizes)
            for number, (weight, bias) in enumerate(parameters, start=1):
                workspace.FeedBlob(f"fc{number}_w", np.ascontiguousarray(weight.T))
                workspace.FeedBlob(f"fc{number}_b", bias)
            workspace.FeedBlob("one", np.ones(1, np.float32))
            workspace.FeedBlob("minus_learning_rate", np.float32([-workload.learning_rate]))
        self.feed(dataset.train_images[:1], dataset.train_labels[:1])
        workspace.CreateNet(self.model.net)
        workspace.CreateNet(self.predictor.net)

    def training_model(self, workload):
        model = model_helper.ModelHelper("train", init_params=False)  # the parameters are fed
        logits = add_layers(model, workload.layer_sizes)
        _, loss = model.net.SoftmaxWithLoss([logits, "labels"], ["softmax", "loss"])
        gradients = model.AddGradientOperators([loss])
        for operator in model.net.Proto().op:
            if "images_grad" in operator.output:
                operator.output.remove("images_grad")  # nobody needs it; without it FCGradient spares that product
        for parameter in model.GetParams():
            # build_sgd adds the same sum; but it schedules the rate in a blob that oneDNN's operators cannot read.
            model.net.WeightedSum([parameter, "one", gradients[str(parameter)], "minus_learning_rate"], parameter)
        return model

    def feed(self, images, labels):
        workspace.FeedBlob("images", images, ONEDNN)
        workspace.FeedBlob("labels", labels, ONEDNN)

    def train_epoch(self, order):
        images, labels = self.dataset.train_images, self.dataset.train_labels
        total_loss = 0.0
        for batch in self.workload.batches(order):
            self.feed(images[batch], labels[batch])
            workspace.RunNet(self.model.net)
            total_loss += float(workspace.FetchBlob("loss")) * len(batch)
        return total_loss / len(order)

    def evaluate(self):
        images, labels = self.dataset.test_images, self.dataset.test_labels
        correct = 0
        for batch in self.workload.batches(np.arange(len(labels))):
            self.feed(images[batch], labels[batch])
            workspace.RunNet(self.predictor.net)
            correct += int((workspace.FetchBlob(self.logits).argmax(axis=1) == labels[batch]).sum())
        return correct / len(labels)

    def parameters(self):
        return [
            (workspace.FetchBlob(f"fc{number}_w").T.copy(), workspace.FetchBlob(f"fc{number}_b"))
            for number in range(1, len(self.workload.layer_sizes))
        ]
