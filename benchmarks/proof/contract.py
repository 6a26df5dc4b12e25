"""Does a trainer work as its contract says? Precision is the parity check's; execution and data are checked here.

What cannot be seen from outside is taken on trust: whether a step that Python calls once is compiled, a graph, or
neither.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.workload.spec import FLOAT_BYTES
from pytest_duet.errors import DuetError
from pytest_duet.sensors.gpu import find_gpu

# What an honest trainer may hold on a GPU without all the images: a network and a batch several times over (gradients,
# an update, batches fetched ahead), and a library's workspace (cuBLAS takes 32 MiB of PyTorch's allocator on Hopper).
STEP_COPIES = 8
GPU_DEVICES = ("nvidia[0-9]*", "nvidiactl", "kfd", "dri/render*", "dxg")  # below /dev; the last is WSL's
WORKSPACE_BYTES = 64 * 2**20


class ContractError(DuetError):
    """A trainer that does the work in another way than it says, and would be compared with the wrong ones."""


def check_device(name, device):
    """Raise a :class:`ContractError` where a trainer says that it trains on a GPU, and Linux knows of none."""
    if device == "cpu" or sys.platform != "linux" or find_gpu() is not None:
        return
    if not any(list(Path("/dev").glob(pattern)) for pattern in GPU_DEVICES):
        raise ContractError(f"{name}: it says that it trains on {device}, and this machine has no GPU at all.")


def check_contract(name, built, workload, dataset):
    """Hold what was seen of a trainer against its contract.

    - ``fused-epoch``: Python has nothing more to do for a further step of the epoch. All others have.
    - ``eager``: every layer's product and activation are calls of their own, in every step.
    - ``host-fed``: on a GPU, all images never lie in the device's memory. Judged only where they would stand out
      there: where they are larger than all that an honest trainer may need.
    - ``device-resident``: has been proven before, by losses that were right though the host's images were gone; on a
      GPU, they lie in the device's memory.

    :param built: what :meth:`benchmarks.trainer_runner.TrainerRunner.take_steps` gave.
    :raises ContractError: saying what was seen.
    """
    contract, calls = built["contract"], built["calls_per_step"]
    python = calls + built["lines_per_step"]
    said = f"{name}: its contract says {contract['execution']}, {contract['data']}"
    if contract["execution"] == "fused-epoch" and python >= 1:
        raise ContractError(f"{said}, but Python executes {built['lines_per_step']:g} lines for each further step.")
    if contract["execution"] != "fused-epoch" and python < 1:
        raise ContractError(f"{said}, but Python does nothing for a further step: say fused-epoch.")
    network = workload.made_of()
    if contract["execution"] == "eager" and calls < network.operations:
        raise ContractError(
            f"{said}, but a step makes {calls:g} calls from Python, and the network alone has {network.operations} "
            "operations: say compiled or graph."
        )
    peak, images = built["allocator_peak_bytes"], dataset.train_images.nbytes
    step = FLOAT_BYTES * (workload.n_parameters + workload.batch_size * network.units)
    needed = STEP_COPIES * step + WORKSPACE_BYTES
    if built["device"] == "cpu" or peak is None:
        return
    if contract["data"] == "host-fed" and peak >= images > needed:
        raise ContractError(f"{said}, but {peak:,} bytes lie on the device, more than all the images ({images:,}).")
    if contract["data"] == "device-resident" and peak < images:
        raise ContractError(f"{said}, but {peak:,} bytes lie on the device, less than the images ({images:,}).")
