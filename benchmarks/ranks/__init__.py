"""Data parallel training: devices that train one network together, each with its share of every batch.

One file for each framework. An engine is a class, :class:`RankTrainer`, of which each process, a rank, has one: most
have a process for each device, some one for all. Importing this imports no framework.
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
    :param device: what it computes on, ``"cpu"`` or ``"gpu"``; of GPUs, it sees its own alone.
    :param devices: how many of them it has; on the CPU they are the framework's own idea of some.
    """

    rank: int
    ranks: int
    addresses: tuple[str, ...]
    device: str = "cpu"
    devices: int = 1


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

    def parameters(self, device):
        """Return the whole network's parameters as one of this rank's devices has them, as NumPy arrays.

        All ranks are asked at once, and for the same device.

        :param device: its number, from 0.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Engine(Attached):
    """A framework's own way to train by several devices.

    :param one_process: whether one process has all the devices; else each device has a process of its own.
    """

    one_process: bool = False


def _engine(name, of, place, *requires, one_process=False, **variables):
    location, pairs = f"benchmarks.ranks.{place}", tuple(variables.items())
    return Engine(name, location, requires, "cpu", pairs, of=of, one_process=one_process)


_KERAS = ("keras", "jax")


ENGINES = {
    engine.name: engine
    for engine in (
        _engine("torch-ddp", ("torch",), "torch_ranks:DdpRank", "torch"),
        _engine("torch-fsdp2", ("torch",), "torch_ranks:FsdpRank", "torch"),
        _engine("lightning-ddp", ("lightning",), "lightning_ranks:FabricRank", "lightning", "torch"),
        _engine("jax-sharded", ("jax",), "jax_ranks:ShardedRank", "jax", "jaxlib"),
        _engine("jax-devices", ("jax",), "jax_ranks:ShardedProcess", "jax", "jaxlib", one_process=True),
        _engine("keras-data-parallel", ("keras-jax",), "keras_ranks:DataParallelRank", *_KERAS, KERAS_BACKEND="jax"),
        _engine(
            "keras-devices",
            ("keras-jax",),
            "keras_ranks:DataParallelProcess",
            *_KERAS,
            one_process=True,
            KERAS_BACKEND="jax",
        ),
        _engine("tf-multi-worker", ("tensorflow", "keras"), "tensorflow_ranks:MultiWorkerRank", "tensorflow"),
        _engine(
            "tf-mirrored", ("tensorflow", "keras"), "tensorflow_ranks:MirroredProcess", "tensorflow", one_process=True
        ),
    )
}
