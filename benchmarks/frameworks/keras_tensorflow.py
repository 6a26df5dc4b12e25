"""Keras on TensorFlow: its graph, XLA's, and all steps of an epoch in one call."""

from __future__ import annotations

import numpy as np

from benchmarks.frameworks.engines.tensorflow_engine import TensorFlowEngine, use_device
from benchmarks.frameworks.keras import KerasTrainer
from benchmarks.frameworks.tensorflow import host_fed, train_tensors
from benchmarks.frameworks.trainer import Contract


class KerasTensorFlowTrainer(TensorFlowEngine, KerasTrainer):
    """Fed by tf.data: with NumPy arrays, fit would be some 10 % slower."""

    contract = Contract("graph")
    keras_backend = "tensorflow"

    def use(self, device):
        self.on_gpu, self.device_name = use_device(device)
        self.train_data = train_tensors(self.dataset, "CPU:0")  # host-fed, also where there is a GPU

    def batches(self, order):
        return host_fed(self.train_data, order, self.workload.batch_size)


class KerasXlaTrainer(KerasTensorFlowTrainer):
    contract = Contract("compiled")
    jit_compile = True


class KerasStepsTrainer(KerasTensorFlowTrainer):
    """All steps of an epoch in one call of fit's graph, which takes the batches from tf.data itself."""

    contract = Contract("fused-epoch")

    def __init__(self, workload, dataset, parameters, device):
        self.steps_per_execution = len(workload.batches(dataset.train_labels))
        super().__init__(workload, dataset, parameters, device)

    def evaluate(self):
        # Not predict(), whose graph would hold the network once for every step.
        images, labels = self.dataset.test_images, self.dataset.test_labels
        batches = self.workload.batches(np.arange(len(labels)))
        predicted = [self.model.predict_on_batch(images[batch]).argmax(axis=1) for batch in batches]
        return float(np.mean(np.concatenate(predicted) == labels))
