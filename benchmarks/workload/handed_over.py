"""A network's parameters on their way from the worker, in a file: what is made of them is made where no trainer is."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

NAME = "parameters.float32"


def write(parameters, folder):
    """Write ``[(weight, bias), ...]`` as float32 into a file of a folder, one array after the other."""
    packed(parameters).tofile(str(Path(folder) / NAME))


def read(workload, folder):
    """Return the parameters of a workload's network that lie in a folder, float32, and remove their file.

    :raises OSError: where there is none.
    :raises ValueError: where it holds another network's.
    """
    path = Path(folder) / NAME
    flat = np.fromfile(str(path), np.float32)
    path.unlink()
    return unpacked(workload, flat)


def packed(parameters):
    """Return ``[(weight, bias), ...]`` as one float32 array, one after the other."""
    return np.concatenate([np.asarray(array, np.float32).ravel() for layer in parameters for array in layer])


def unpacked(workload, flat):
    """Return the parameters of a workload's network that lie in one array, one after the other.

    :raises ValueError: where it holds another network's.
    """
    layers, place = [], 0
    if flat.size != workload.n_parameters:
        raise ValueError(f"{flat.size} numbers where the network has {workload.n_parameters}")
    for shapes in workload.made_of().shapes:
        layer = []
        for shape in shapes:
            size = math.prod(shape)
            layer.append(flat[place : place + size].reshape(shape))
            place += size
        layers.append(tuple(layer))
    return layers
