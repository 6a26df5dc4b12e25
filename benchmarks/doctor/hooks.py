"""What the suite adds to every check-up: its cache must have room, and MNIST must be there, and be the real one."""

from __future__ import annotations

import os

from pytest_duet.doctor.row import BROKEN, OK, WARNING, Row
from pytest_duet.errors import DuetError


def pytest_duet_doctor_folders():
    from benchmarks.workload.cache import cache_directory

    return {"the cache": cache_directory}


def pytest_duet_doctor_rows(chosen):
    return [data_set(chosen.mnist_dir)]


def data_set(directory=None):
    """Return the row of MNIST: where it is (``--mnist-dir``), and the digest that proves it; nothing is fetched."""
    from benchmarks.workload import mnist  # its NumPy is nothing that a session's check-up should wait for

    bad = []
    try:
        place = mnist.find(directory, echo=bad.append, fetch=False)
        data = mnist.load(place)
    except DuetError as error:
        text, *_ = str(error).splitlines()
        if directory or os.environ.get("MNIST_DIR"):
            return Row("data set", BROKEN, text, "put the four original files there, or let the suite look for them")
        what = "the first session fetches it (12 MB); without a network, name a folder with --mnist-dir"
        return Row("data set", WARNING, " ".join(["MNIST is not on this machine yet.", *bad]).rstrip("."), what)
    images = len(data.train_labels) + len(data.test_labels)
    return Row("data set", OK, f"MNIST, {images:,} images, digest {data.digest[:16]}, in {place}")
