"""Keras on PyTorch."""

from __future__ import annotations

import keras

from benchmarks.frameworks.engines.torch_engine import TorchEngine, use_device
from benchmarks.frameworks.keras import KerasTrainer
from benchmarks.frameworks.trainer import Contract


class KerasTorchTrainer(TorchEngine, KerasTrainer):
    contract = Contract("eager")
    keras_backend = "torch"

    def use(self, device):
        self.device, self.device_name = use_device(device)
        keras.device("gpu:0" if self.device.type == "cuda" else "cpu:0").__enter__()  # for good
