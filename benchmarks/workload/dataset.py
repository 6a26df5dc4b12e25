"""What every trainer is fed: images, labels, and a digest that says which data they are."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass

import numpy as np

IMAGE_SIZE = 28 * 28
CLASSES = 10


@dataclass(frozen=True)
class Dataset:
    """A labelled image data set, split into training and test.

    :param name: ``"mnist"``, ``"synthetic"``, or that of a file of one's own; it labels every result.
    :param train_images: float32, shape ``(n_train, 784)``, scaled to [0, 1].
    :param train_labels: int32, shape ``(n_train,)``, values 0 to 9.
    :param test_images: float32, shape ``(n_test, 784)``, scaled to [0, 1].
    :param test_labels: int32, shape ``(n_test,)``, values 0 to 9.
    :param digest: SHA-256 (hexadecimal) of the decoded bytes; two data sets with one digest are the same data.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    digest: str

    def checksums(self):
        """Return the CRC-32 of each array as it is now: who has the arrays in its process could change them."""
        arrays = self.train_images, self.train_labels, self.test_images, self.test_labels
        return [zlib.crc32(array) for array in arrays]


def from_bytes(name, train_images, train_labels, test_images, test_labels):
    """Build a :class:`Dataset` from uint8 arrays: images ``(n, 784)`` of grey levels 0 to 255, labels ``(n,)``."""
    digest = hashlib.sha256()
    for array in (train_images, train_labels, test_images, test_labels):
        digest.update(str(array.shape).encode() + array.tobytes())
    return Dataset(
        name=name,
        train_images=scaled(train_images),
        train_labels=train_labels.astype(np.int32),
        test_images=scaled(test_images),
        test_labels=test_labels.astype(np.int32),
        digest=digest.hexdigest(),
    )


def synthetic(n_train=6_000, n_test=1_000, seed=0):
    """Return a small data set made by NumPy alone, for machines that hold no MNIST and reach nothing.

    Each class is a blurred random pattern and each image a noisy copy of its class's pattern, so the network can
    learn it. Only integer draws and sums are used, so that every NumPy build makes the same bytes; ``n_train`` is
    no multiple of the default batch, so the ragged last batch stays part of the work.
    """
    random = np.random.RandomState(seed)  # the legacy generator: NumPy promises its stream never changes
    coarse = random.randint(0, 256, size=(CLASSES, 7, 7))
    patterns = coarse.repeat(4, axis=1).repeat(4, axis=2).reshape(CLASSES, IMAGE_SIZE)

    def split(count):
        labels = random.randint(0, CLASSES, size=count)
        images = random.randint(0, 256, size=(count, IMAGE_SIZE))
        images += patterns[labels]
        images >>= 1  # in place: each session and each worker makes them
        return images.astype(np.uint8), labels.astype(np.uint8)

    return from_bytes("synthetic", *split(n_train), *split(n_test))


def scaled(images):
    """Return uint8 grey levels from 0 to 255 as float32 from 0 to 1."""
    return np.divide(images, np.float32(255), dtype=np.float32)  # without a second array of that size
