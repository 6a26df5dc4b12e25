"""The data that a workload is trained on, wherever it comes from: MNIST, the synthetic set, or a file of one's own."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from benchmarks.workload import mnist
from benchmarks.workload.dataset import Dataset, scaled, synthetic
from pytest_duet.errors import DuetError

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


def load(place, workload):
    """Return the :class:`Dataset` that a workload is trained on.

    :param place: a folder with the four MNIST files, an ``.npz`` file, or None for the synthetic data set.
    :raises DuetError: where it is none of these, or the workload's network has no place for it.
    """
    if place is None:
        found = synthetic()
    elif is_own(place):
        found = from_npz(place)
    else:
        found = mnist.load(place)
    n_in, n_out = found.train_images.shape[1], int(max(found.train_labels.max(), found.test_labels.max())) + 1
    sizes = workload.layer_sizes
    if sizes[0] != n_in or sizes[-1] < n_out:
        raise DuetError(
            f"{found.name}: its images have {n_in} numbers and its labels go up to {n_out - 1}, so layer_sizes has to "
            f"begin with {n_in} and end with {n_out}; it is {','.join(map(str, sizes))}."
        )
    return found


def is_own(place):
    """Tell whether this names a file of one's own."""
    return Path(place).suffix == ".npz"


def from_npz(path):
    """Return the :class:`Dataset` in a file that ``numpy.savez`` wrote, named like the file.

    Of four arrays: ``train_images`` and ``test_images``, whose first axis is the images, uint8, scaled from 0 to 255 to
    [0, 1], or any floats, taken as they are; ``train_labels`` and ``test_labels``, whole numbers from 0 on.

    :raises DuetError: for a file that holds anything else.
    """
    try:
        with np.load(path, allow_pickle=False) as kept:
            found = {name: kept[name] for name in ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DuetError(f"{path}: not an .npz file of the arrays {', '.join(ARRAYS)} ({error}).") from None
    digest = hashlib.sha256()
    for array in found.values():
        digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    checked = (
        part
        for kind in ("train", "test")
        for part in (_images(path, f"{kind}_images", found), _labels(path, kind, found))
    )
    return Dataset(Path(path).stem, *checked, digest.hexdigest())


def _images(path, name, found):
    images = found[name]
    if images.ndim < 2 or images.dtype.kind not in "fu" or (images.dtype.kind == "u" and images.dtype != np.uint8):
        raise DuetError(f"{path}: {name} is {images.dtype} of shape {images.shape}, not (n, ...) of uint8 or floats.")
    flat = images.reshape(len(images), -1)
    flat = scaled(flat) if images.dtype == np.uint8 else np.ascontiguousarray(flat, np.float32)
    if not np.isfinite(flat).all():
        raise DuetError(f"{path}: {name} has numbers that are not finite.")
    return flat


def _labels(path, kind, found):
    labels, count = found[f"{kind}_labels"], len(found[f"{kind}_images"])
    if labels.shape != (count,) or not count or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise DuetError(
            f"{path}: {kind}_labels is {labels.dtype} of shape {labels.shape}, not a whole number from 0 on for each "
            f"of {count} images."
        )
    return labels.astype(np.int32)
