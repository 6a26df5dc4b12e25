"""Keras on JAX."""

from __future__ import annotations

import jax

from benchmarks.frameworks.engines.jax_engine import JaxEngine, use_device
from benchmarks.frameworks.keras import KerasTrainer
from benchmarks.frameworks.trainer import Contract


class KerasJaxTrainer(JaxEngine, KerasTrainer):
    contract = Contract("compiled")
    keras_backend = "jax"
    jit_compile = True

    def use(self, device):
        self.device, self.device_name = use_device(device)

    def synchronize(self):
        jax.block_until_ready([variable.value for variable in self.model.variables])
