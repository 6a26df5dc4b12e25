"""Lightning's ranks: Fabric, whose strategy wraps a plain PyTorch loop's network and optimizer."""

from __future__ import annotations

import os

from lightning import Fabric

from benchmarks.ranks.torch_ranks import DdpRank


class FabricRank(DdpRank):
    def __init__(self, workload, parameters, place):
        super().__init__(workload, parameters, place)
        self.optimizer = self.fabric.setup_optimizers(self.optimizer)

    def join(self, place):
        host, _, port = place.addresses[0].rpartition(":")
        os.environ.update(MASTER_ADDR=host, MASTER_PORT=port, NODE_RANK=str(place.rank))
        self.fabric = Fabric(accelerator=place.device, strategy="ddp", devices=1, num_nodes=place.ranks)
        self.fabric.launch()

    def wrapped(self):
        return self.fabric.setup_module(self.network)

    def backward(self, loss):
        self.fabric.backward(loss)
