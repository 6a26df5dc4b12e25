"""PyTorch's ranks: DistributedDataParallel, and FSDP2, which shards the parameters as well."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from benchmarks.frameworks.engines.torch_engine import use_device
from benchmarks.frameworks.torch import linear_layers, network
from benchmarks.ranks import RankTrainer


class DdpRank(RankTrainer):
    def __init__(self, workload, parameters, place):
        self.device, _ = use_device(place.device)
        self.join(place)
        self.network = network(parameters, self.device)
        self.model = self.wrapped()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=workload.learning_rate)

    def join(self, place):
        address = f"tcp://{place.addresses[0]}"
        backend = "gloo" if place.device == "cpu" else "nccl"
        dist.init_process_group(backend, init_method=address, rank=place.rank, world_size=place.ranks)

    def wrapped(self):
        return DistributedDataParallel(self.network)

    def train(self, batches):
        total = torch.zeros((), device=self.device)
        for batch in batches:
            images, labels = (torch.from_numpy(each).to(self.device) for each in batch)
            self.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.model(images), labels.long())
            self.backward(loss)
            self.optimizer.step()
            total += loss.detach() * len(labels)
        return total.item()

    def backward(self, loss):
        """Leave each parameter's gradient with it, which is the mean of all ranks'."""
        loss.backward()

    def parameters(self, device):
        return [
            (whole(layer.weight).T.cpu().numpy().copy(), whole(layer.bias).cpu().numpy().copy())
            for layer in linear_layers(self.network)
        ]


class FsdpRank(DdpRank):
    def wrapped(self):
        mesh = dist.init_device_mesh(self.device.type, (dist.get_world_size(),))
        for layer in linear_layers(self.network):
            fully_shard(layer, mesh=mesh)
        return fully_shard(self.network, mesh=mesh)


def whole(parameter):
    parameter = parameter.detach()
    return parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter
