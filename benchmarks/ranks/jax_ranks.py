"""JAX's ranks: one program over a mesh of devices, the batch sharded, the parameters on each.

The devices are of several processes, or all of one.
"""

from __future__ import annotations

import os

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from benchmarks.frameworks.jax import jitted_step
from benchmarks.frameworks.trainer import threads_asked
from benchmarks.ranks import RankTrainer


class ShardedRank(RankTrainer):
    def __init__(self, workload, parameters, place):
        self.rate, self.ranks = workload.learning_rate, place.ranks
        self.join(place)
        mesh = Mesh(np.array(jax.devices()), ("devices",))
        self.everywhere, self.shared = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), ("devices",)))
        self.params = jax.device_put(parameters, self.everywhere)
        self.zero = jax.device_put(np.float32(0), self.everywhere)

    def join(self, place):
        jax.distributed.initialize(place.addresses[0], num_processes=place.ranks, process_id=place.rank)

    def train(self, batches):
        total = jnp.copy(self.zero)
        for images, labels in batches:
            images, labels = (jax.make_array_from_process_local_data(self.shared, each) for each in (images, labels))
            self.params, total = jitted_step(self.params, total, images, labels, self.rate)
        jax.block_until_ready(self.params)
        return float(total.addressable_data(0)) / self.ranks  # the sum over all ranks' images

    def parameters(self, device):
        return jax.tree.map(lambda param: np.array(param.addressable_data(device)), self.params)


class ShardedProcess(ShardedRank):
    def join(self, place):
        make_devices(place)


def make_devices(place):
    """Have this process's CPU be several devices for JAX, where it is to have several."""
    if place.device == "cpu" and place.devices > 1:
        jax.config.update("jax_num_cpu_devices", place.devices)
        # XLA starts a thread a core. One of each device waits while gradients are summed up, and on two cores none was
        # left to compute what they waited for.
        os.environ["NPROC"] = str(threads_asked() + place.devices)
