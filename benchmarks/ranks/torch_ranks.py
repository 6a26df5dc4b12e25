"""PyTorch's ranks: DistributedDataParallel, and FSDP2, which shards the parameters as well."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from benchmarks.frameworks.torch import linear_layers, network
from benchmarks.ranks import RankTrainer


class DdpRank(RankTrainer):
    def __init__(self, workload, parameters, place):
        torch.set_float32_matmul_precision("highest")
        self.join(place)
        self.network = network(parameters)
        self.model = self.wrapped()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=workload.learning_rate)

    def join(self, place):
        address = f"tcp://{place.addresses[0]}"
        dist.init_process_group("gloo", init_method=address, rank=place.rank, world_size=place.ranks)

    def wrapped(self):
        return DistributedDataParallel(self.network)

    def train(self, batches):
        total = torch.zeros(())
        for images, labels in batches:
            self.optimizer.zero_grad()
            logits, labels = self.model(torch.from_numpy(images)), torch.from_numpy(labels).long()
            loss = nn.functional.cross_entropy(logits, labels)
            self.backward(loss)
            self.optimizer.step()
            total += loss.detach() * len(labels)
        return total.item()

    def backward(self, loss):
        """Leave each parameter's gradient with it, which is the mean of all ranks'."""
        loss.backward()

    def parameters(self):
        return [
            (whole(layer.weight).T.numpy().copy(), whole(layer.bias).numpy().copy())
            for layer in linear_layers(self.network)
        ]


class FsdpRank(DdpRank):
    def wrapped(self):
        mesh = dist.init_device_mesh("cpu", (dist.get_world_size(),))
        for layer in linear_layers(self.network):
            fully_shard(layer, mesh=mesh)
        return fully_shard(self.network, mesh=mesh)


def whole(parameter):
    parameter = parameter.detach()
    return parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter
