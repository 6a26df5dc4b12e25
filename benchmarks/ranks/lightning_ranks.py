"""Lightning's ranks: Fabric, whose strategy wraps a plain PyTorch loop's network and optimizer."""

from __future__ import annotations

import os

import torch
from lightning import Fabric

from benchmarks.frameworks.torch import network
from benchmarks.ranks.torch_ranks import DdpRank


class FabricRank(DdpRank):
    def __init__(self, workload, parameters, place):
        torch.set_float32_matmul_precision("highest")
        host, _, port = place.addresses[0].rpartition(":")
        os.environ.update(MASTER_ADDR=host, MASTER_PORT=port, NODE_RANK=str(place.rank))
        self.fabric = Fabric(accelerator="cpu", strategy="ddp", devices=1, num_nodes=place.ranks)
        self.fabric.launch()
        self.network = network(parameters)
        optimizer = torch.optim.SGD(self.network.parameters(), lr=workload.learning_rate)
        self.model, self.optimizer = self.fabric.setup(self.network, optimizer)

    def backward(self, loss):
        self.fabric.backward(loss)
