"""A network that knows its digits: what is asked for answers, since rounding costs one accuracy that has any."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import numpy as np

from benchmarks.workload import oracle
from benchmarks.workload.cache import cache_directory
from benchmarks.workload.recipe import workloads_of
from pytest_duet.atomic import atomic_write

EPOCHS = 2


def trained(workload, dataset, echo=lambda text: None):
    """Return a workload's network after two epochs of its recipe, ``[(weight, bias), ...]``, float32.

    Trained once by NumPy, some seconds an epoch, and kept in the cache.
    """
    (recipe,) = workloads_of(replace(workload, epochs=EPOCHS), 1)

    def train():
        found = recipe.initial_parameters()
        training = oracle.Training(recipe, found)
        for epoch in range(1, EPOCHS + 1):
            training.train(recipe.batches(recipe.order(epoch, len(dataset.train_labels))), dataset)
        return found

    return _kept(recipe, dataset, "", train, echo)


def pruned(workload, dataset, share, echo=lambda text: None):
    """Return the same with so large a share of each weight matrix zero, its smallest numbers, kept likewise.

    They are set to zero after the two epochs, and held there in a third (Han et al., "Learning both Weights and
    Connections for Efficient Neural Networks", 2015): without it, half of the weights cost three and a half points.
    """
    (recipe,) = workloads_of(replace(workload, epochs=EPOCHS), 1)

    def train():
        found = [(weight.copy(), bias.copy()) for weight, bias in trained(workload, dataset, echo)]
        kept = [np.float32(np.abs(weight) >= np.quantile(np.abs(weight), share)) for weight, _ in found]

        def prune():
            for (weight, _), its in zip(found, kept):
                weight *= its

        prune()
        training = oracle.Training(recipe, found)
        for batch in recipe.batches(recipe.order(EPOCHS + 1, len(dataset.train_labels))):
            training.train([batch], dataset)
            prune()
        return found

    return _kept(recipe, dataset, f"-pruned-{share:g}", train, echo)


def _kept(recipe, dataset, kind, train, echo):
    """Return the parameters that are kept of a recipe, or those that ``train()`` returns, and keep them."""
    path = cache_directory() / "trained" / f"{oracle.trajectory_key(recipe, dataset)}-{EPOCHS}{kind}.npz"
    found = _read(path)
    if found is None:
        echo(f"training the network that answers, {EPOCHS} epochs{kind.replace('-', ' ')}; kept in {path}")
        found = train()
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.savez(buffer, *(array for layer in found for array in layer))
        atomic_write(path, buffer.getvalue())
    return found


def _read(path):
    """Return the parameters in a file; None where there is none, or only half of one."""
    try:
        with np.load(path) as kept:
            arrays = [kept[f"arr_{number}"] for number in range(len(kept.files))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return list(zip(arrays[::2], arrays[1::2]))
