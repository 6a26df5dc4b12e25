"""Data parallel training: processes, ranks, that train one network together, each with its share of every batch.

One file for each framework. An engine is a class, :class:`RankTrainer`, of which each rank has one; importing this
imports no framework.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from benchmarks.frameworks import REGISTRY, Entry


@dataclass(frozen=True)
class Place:
    """A rank's place among the others.

    :param rank: its number, from 0; ``ranks`` is how many there are.
    :param ports: free ones of this host, one for each rank: a framework's ranks meet at the first, or at all of them.
    """

    rank: int
    ranks: int
    ports: tuple[int, ...]

    def addresses(self):
        return [f"127.0.0.1:{port}" for port in self.ports]


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


@dataclass(frozen=True)
class Engine:
    """Where an engine is found, told without importing it.

    :param of: the entries that it belongs to: it is measured where one of them is.
    :param place: ``"module:Class"`` in this package.
    """

    name: str
    of: tuple
    place: str
    requires: tuple

    @property
    def entry(self):
        """It as an entry, for what is asked of both: is all there that it needs?"""
        return Entry(self.name, "", self.requires, REGISTRY[self.of[0]].environment)


ENGINES = {
    engine.name: engine
    for engine in (
        Engine("torch-ddp", ("torch",), "torch_ranks:DdpRank", ("torch",)),
        Engine("torch-fsdp2", ("torch",), "torch_ranks:FsdpRank", ("torch",)),
        Engine("jax-sharded", ("jax",), "jax_ranks:ShardedRank", ("jax", "jaxlib")),
        Engine("tf-multi-worker", ("tensorflow", "keras"), "tensorflow_ranks:MultiWorkerRank", ("tensorflow",)),
    )
}


def engines_of(entries):
    """Return the names of the engines that belong to some of these entries."""
    return [name for name, engine in ENGINES.items() if any(each in entries for each in engine.of)]


def load_engine(place):
    """Return the class at ``"module:Class"``, in this package or, with dots, anywhere; its framework is imported."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module if "." in module else f"{__name__}.{module}"), name)
