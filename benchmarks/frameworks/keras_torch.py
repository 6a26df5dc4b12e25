"""Keras on PyTorch."""

from __future__ import annotations

import keras

from benchmarks.frameworks.engines.torch_engine import TorchEngine, use_device
from benchmarks.frameworks.keras import KerasTrainer
from benchmarks.frameworks.trainer import Contract


class KerasTorchTrainer(TorchEngine, KerasTrainer):
    contract = Contract("eager")
    keras_backend = "torch"

    def __init__(self, workload, dataset, parameters, device):
        self.device, self.device_name = use_device(device)
        with self.scope():
            super().__init__(workload, dataset, parameters, device)

    def scope(self):
        return keras.device("gpu" if self.device.type == "cuda" else "cpu")

    def train_epoch(self, order):
        with self.scope():
            return super().train_epoch(order)

    def evaluate(self):
        with self.scope():
            return super().evaluate()

    def parameters(self):
        with self.scope():
            return super().parameters()
