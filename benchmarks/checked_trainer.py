"""What a trainer says of itself, checked as it says it; runs in the worker."""

from __future__ import annotations

import math
from contextlib import contextmanager

import numpy as np

from benchmarks.frameworks.trainer import NoGpu
from pytest_duet.workers.protocol import GpuUnseen, SubjectError, WrongHardware


def checked_class(trainer_class):
    """Raise :class:`SubjectError` where a trainer has no contract."""
    if trainer_class.contract is None:
        raise SubjectError(f"{trainer_class.__name__} sets no contract, such as contract = Contract('eager')")


def device_for(trainer_class, device):
    """Return which device a trainer is to be given where one is asked for: some have no use for a GPU.

    :raises WrongHardware: where it is asked for a GPU that it can never train on.
    """
    if trainer_class.cpu_only and device == "gpu":
        raise WrongHardware(f"CPU only, because {trainer_class.cpu_only}")
    return "cpu" if trainer_class.cpu_only else device


@contextmanager
def told_without_a_gpu():
    """Tell what is to be done where a framework is asked for a GPU, and sees none.

    :raises GpuUnseen: for it.
    """
    try:
        yield
    except NoGpu:
        text = "it sees no GPU here; install its build for this machine's CUDA, or use --device=cpu"
        raise GpuUnseen(text) from None


def checked_kind(trainer, device, precision):
    """Raise :class:`SubjectError` where a new trainer says that it is not what it was asked to be."""
    if trainer.contract.precision != precision:
        raise SubjectError(f"its contract says {trainer.contract.precision}, and it was asked to train in {precision}")
    if device == "gpu" and trainer.device_name == "cpu":
        raise SubjectError("it was asked to train on a GPU and says that it trains on the CPU")


def checked_start(trainer, initial, device, precision="fp32"):
    """Raise :class:`SubjectError` where a new trainer is not what it was asked to be, or starts from elsewhere."""
    checked_kind(trainer, device, precision)
    for layer, (now, then) in enumerate(zip(checked_parameters(trainer, initial), initial), start=1):
        for name, given, used in zip(("weight", "bias"), then, now):
            if not np.array_equal(given, used):
                raise SubjectError(
                    f"the trainer does not start from the parameters it was handed: layer {layer}'s {name} differs by "
                    f"up to {np.abs(given - used).max():.3g}"
                )


def copied(parameters):
    """Return a copy of ``[(weight, bias), ...]`` as NumPy arrays: a trainer may train in place."""
    return [tuple(np.array(array) for array in layer) for layer in parameters]


def checked_parameters(trainer, initial):
    """Return a trainer's parameters as NumPy arrays, shaped as the initial ones."""
    said = trainer.parameters()
    try:
        layers = [tuple(np.asarray(array) for array in layer) for layer in said]
    except TypeError:
        raise SubjectError(f"parameters() gave a {type(said).__name__}, not [(weight, bias), ...]") from None
    found = [[array.shape for array in layer] for layer in layers]
    expected = [[array.shape for array in layer] for layer in initial]
    if found != expected:
        raise SubjectError(f"parameters() gave arrays of the shapes {found}, not {expected}")
    return layers


def as_loss(value):
    """Return a finite float; a lazy value, as JAX's, is waited for here."""
    return _as_number(value, "train_epoch()")


def as_share(value):
    """Return a float from 0 to 1."""
    share = _as_number(value, "evaluate()")
    if not 0 <= share <= 1:
        raise SubjectError(f"evaluate() gave {share}, not a share from 0 to 1")
    return share


def _as_number(value, call):
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise SubjectError(f"{call} gave a {type(value).__name__}, not a number") from None
    if not math.isfinite(number):
        raise SubjectError(f"{call} gave {number}")
    return number
