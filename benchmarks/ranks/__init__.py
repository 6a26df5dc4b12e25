"""Data parallel training: processes, ranks, that train one network together, each with its share of every batch.

One file for each framework. An engine is a class, :class:`RankTrainer`, of which each rank has one; importing this
imports no framework.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.frameworks import Attached


@dataclass(frozen=True)
class Place:
    """A rank's place among the others.

    :param rank: its number, from 0; ``ranks`` is how many there are.
    :param addresses: ``host:port`` of each rank, where nobody listens yet: a framework's ranks meet at the first, or at
        all of them.
    """

    rank: int
    ranks: int
    addresses: tuple[str, ...]


class RankTrainer:
    """One rank of an engine. Its gradients are those of the whole batch's mean loss, however many ranks share it.

    :param workload: :class:`benchmarks.workload.spec.Workload`.
    :param parameters: the start, alike on every rank: ``[(weight, bias), ...]``, float32.
    :param place: :class:`Place`.
    """

    def __init__(self, workload, parameters, place):
        raise NotImplementedError

    def train(self, batches):
        """Take a step a batch, and return the sum of the losses of this rank's images, each before its batch's update.

        :param batches: this rank's shares, ``(images, labels)``: float32 ``(n, 784)`` and int32 ``(n,)`` arrays. All
            ranks' shares of a batch are of one size. Returns only when the device has finished.
        """
        raise NotImplementedError

    def parameters(self):
        """Return the whole network's parameters as this rank has them, as NumPy arrays; all ranks are asked at once."""
        raise NotImplementedError


def _engine(name, of, place, *requires, **variables):
    return Attached(name, f"benchmarks.ranks.{place}", requires, "cpu", tuple(variables.items()), of=of)


ENGINES = {
    engine.name: engine
    for engine in (
        _engine("torch-ddp", ("torch",), "torch_ranks:DdpRank", "torch"),
        _engine("torch-fsdp2", ("torch",), "torch_ranks:FsdpRank", "torch"),
        _engine("lightning-ddp", ("lightning",), "lightning_ranks:FabricRank", "lightning", "torch"),
        _engine("jax-sharded", ("jax",), "jax_ranks:ShardedRank", "jax", "jaxlib"),
        _engine(
            "keras-data-parallel", ("keras-jax",), "keras_ranks:DataParallelRank", "keras", "jax", KERAS_BACKEND="jax"
        ),
        _engine("tf-multi-worker", ("tensorflow", "keras"), "tensorflow_ranks:MultiWorkerRank", "tensorflow"),
    )
}
