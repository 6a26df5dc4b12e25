"""What a trainer is: the whole interface between a framework and the suite."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from benchmarks.workload.networks import BITS
from pytest_duet.workers.protocol import WrongHardware

__all__ = ["Contract", "NoGpu", "Trainer", "WrongHardware", "in_precision", "threads_asked"]

EXECUTIONS = ("eager", "compiled", "graph", "fused-epoch")
DATA = ("host-fed", "device-resident")
PRECISIONS = tuple(BITS)


@dataclass(frozen=True)
class Contract:
    """How a trainer does the work. Tables put only like contracts side by side.

    :param execution: ``eager``, ``compiled`` (each step one compiled function), ``graph`` (a graph built once, run by
        the framework) or ``fused-epoch`` (a whole epoch in one call).
    :param data: ``host-fed`` (each batch is cut on the host) or ``device-resident`` (all images live on the device).
    :param precision: of the matrix products; the parity check proves it.
    """

    execution: str
    data: str = "host-fed"
    precision: str = "fp32"

    def __post_init__(self):
        for value, allowed in ((self.execution, EXECUTIONS), (self.data, DATA), (self.precision, PRECISIONS)):
            if value not in allowed:
                raise ValueError(f"a contract says one of {', '.join(allowed)}, not {value!r}")


def in_precision(contract, precision, device_name):
    """Return a contract whose products are computed in another precision, on this device.

    :raises WrongHardware: where it has no products like that.
    """
    if precision == "tf32" and device_name == "cpu":
        raise WrongHardware("TF32 is what GPUs multiply in")
    return replace(contract, precision=precision)


class NoGpu(Exception):
    """The trainer was asked to use a GPU and its framework sees none."""


def threads_asked():
    """Return how many threads a trainer is to compute with.

    The worker's processor affinity is already cut to as many cores, and OMP_NUM_THREADS and its like say the number;
    only a framework that follows neither need ask.
    """
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


class Trainer:
    """Trains the shared workload with one framework, written as that framework's own users would write it.

    The network: ``x @ weight + bias`` in every layer, tanh after all but the last, whose outputs are the logits. The
    loss: softmax cross-entropy, its mean over the batch. The step: ``parameter -= workload.learning_rate * gradient``,
    once a batch of ``workload.batch_size`` images, the smaller last batch of an epoch included. Where the session asks
    for another workload, the same is trained by its network, activation, loss, optimizer and precision.

    A subclass sets ``contract`` and gives the methods below. It draws no random number that is trained with and reads
    no clock. It may set its framework's global state, for it has a process of its own. What it is asked beside training
    (from :meth:`threads` on) often stands in :mod:`benchmarks.frameworks.engines`, once for all that compute with the
    same library.

    :param workload: :class:`benchmarks.workload.spec.Workload`.
    :param dataset: :class:`benchmarks.workload.dataset.Dataset`; float32 images ``(n, 784)``, int32 labels ``(n,)``.
    :param parameters: the start, ``[(weight, bias), ...]``, float32, shapes ``(n_in, n_out)`` and ``(n_out,)``.
    :param device: ``"cpu"``, ``"gpu"``, or ``"auto"``: a GPU where the framework sees one.
    :raises NoGpu: where ``"gpu"`` is asked for and there is none; a trainer with ``cpu_only`` is never asked.
    :raises WrongHardware: where the trainer has no use for this machine at all, such as CUDA graphs without CUDA.
    """

    contract: Contract | None = None  # every subclass sets its own
    cpu_only: str | None = None  # why, where the framework has no build for today's GPUs: "its wheels end at CUDA 10.2"
    compiling_allocates = False  # whether compiling takes memory, too, of the allocator whose peak memory() tells
    device_name = "cpu"  # what it really runs on, set by __init__: "cpu", or "gpu:" and the framework's name for it

    def __init__(self, workload, dataset, parameters, device):
        raise NotImplementedError

    def train_epoch(self, order):
        """Train on the images ``order`` names (int64 indices), batch by batch, and return their mean loss, a float.

        The loss of an image is taken before its batch's update. Returns only when the device has finished.
        """
        raise NotImplementedError

    def evaluate(self):
        """Return the share of the test images classified right, a float from 0 to 1.

        Asked after the last epoch alone, and beside the clock; where a time to accuracy is told, after each, within it.

        In batches of training's size, so that the peak of memory stays training's.
        """
        raise NotImplementedError

    def parameters(self):
        """Return the current parameters as NumPy arrays, shaped and ordered as they were handed in."""
        raise NotImplementedError

    def logits(self, images):
        """Return what the network as it is now answers: the logits ``(n, 10)``, a NumPy array on the host.

        Asked where answers are measured, and nowhere else; a trainer without it has none to show.

        :param images: float32, ``(n, 784)``.
        """
        raise NotImplementedError

    def threads(self):
        """Return how many threads the framework says it computes with, read back from it; None if it cannot tell."""
        return None

    def device_activity(self, work):
        """Call ``work()`` once under the framework's own profiler, and return what the GPU did meanwhile.

        ``[(kind, start, stop), ...]``: ``"kernel"``, or ``"copy"`` for copied and for filled memory, and its times in
        nanoseconds by any one clock, overlapping or not. None, and ``work`` not called, where the framework cannot
        tell. It is never asked where the trainer trains on the CPU.
        """
        return None

    def trace(self, work, folder):
        """Call ``work()`` once under the framework's own tracer, and leave its files in the folder, which is empty.

        As its users open them: in Perfetto, TensorBoard, or whatever the framework is made for. A trainer without a
        tracer leaves none, and ``work`` is not called.
        """

    def count_work(self, work):
        """Call ``work()`` once, and return what it was made of: ``(ran, compiled)``, whole numbers by name.

        ``ran`` is what it did, such as operators that it dispatched; ``compiled`` is what programs of it there are by
        now, such as their instructions. The same work gives the same numbers. Empty, and ``work`` not called, where the
        framework cannot tell.
        """
        return {}, {}

    def compiling(self):
        """Return for how long the framework has traced and compiled in this process so far, in seconds.

        ``{"trace": ..., "compile": ...}``, by its own account; empty where it keeps none.
        """
        return {}

    @staticmethod
    def matrix_product(device="cpu", precision="fp32"):
        """Return ``(place, multiply)``: how the framework multiplies matrices; None where it cannot or does not say.

        ``place(array)`` brings a float32 NumPy array ``(n, m)`` to the device in that precision: bf16 is converted to;
        tf32 stays float32, whose products may round their factors.
        ``multiply(left, right, count=1)`` returns the product of two placed matrices when it was computed ``count``
        times, handed to the device as densely as the framework can, and the device has finished. The product may be
        overwritten by the next call.

        Give it for a framework whose products may be the fastest on some machine, since the fastest of all set the
        machine's measured peak; and for one that trains on GPUs, since ``place`` is how its context overhead is found
        (:mod:`benchmarks.trainer_runner`).

        :param device: ``"cpu"``, ``"gpu"``, or ``"auto"``, as for the trainer.
        :param precision: one of ``PRECISIONS``.
        :raises NoGpu: where ``"gpu"`` is asked for and there is none.
        """
        return None

    @staticmethod
    def device_copy(device="cpu"):
        """Return ``(place, copy)``: how the framework copies an array within a device's memory; None as above.

        ``place(array)`` brings a float32 NumPy array ``(n,)`` to the device. ``copy(array, count=1)`` copies it
        ``count`` times into other memory of the device, and returns the copy when the device has finished.

        :raises NoGpu: as above.
        """
        return None

    @staticmethod
    def about():
        """Return what the framework says of its build and of what it sees here; leave out what it cannot tell.

        ``cuda``, ``cudnn``: the versions that it was built for, as text, None for a build without; ``devices``: their
        names as in ``device_name``; ``no_gpu_because``: its own words where it sees no GPU; ``tf32_by_default``:
        whether float32 products may be TF32 on a GPU unless told otherwise; ``xla_flags``: those in force.
        """
        return {}

    def memory(self):
        """Return what the framework's own allocator says, in bytes; leave out what it cannot tell.

        ``allocator_peak_bytes``: the most that live arrays took; ``allocator_reserved_bytes``: the pool it holds.
        """
        return {}


class NotThisWorkload(Trainer):
    """Stands for the trainer of an entry that trains what all train, and nothing else."""

    contract = Contract("eager")

    def __init__(self, workload, dataset, parameters, device):
        raise WrongHardware(
            "it trains the multilayer perceptron with tanh, plain SGD and cross-entropy alone, in fp32; "
            "docs/own-workload.md names those that train others"
        )

    def logits(self, images):  # which it has, or inference would say that there are none, instead of the above
        raise NotImplementedError
