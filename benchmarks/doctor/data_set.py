"""Is MNIST on this machine, and is it the real one?"""

from __future__ import annotations

import os

from pytest_duet.doctor.row import BROKEN, OK, WARNING, Row
from pytest_duet.errors import DuetError


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
