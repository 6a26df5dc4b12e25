"""What a device could do: the measured rates that an epoch's time is held against. Runs in an engine's worker."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path

import numpy as np

BURST_SECONDS = 0.002  # a shorter one would measure the launch and the clock
MOST_AT_ONCE = 100_000
GPU_AT_ONCE = 100  # products; smaller bursts measure launch overhead: they go one by one, not as a graph
COPY_BYTES = 2**29  # GPUs' caches end at some 128 MB
CACHES = "/sys/devices/system/cpu/cpu0/cache"


def matrix_product_rate(workload, place, multiply, seconds, at_once=1):
    """Return the floating-point operations a second of the matrix products of one full training step, and no more.

    Each product that :meth:`Workload.flops_per_epoch` counts is run over and over, on all usable cores or on the GPU,
    in bursts of as many as take some milliseconds; each one's best time counts.

    :param place: with ``multiply``, what :meth:`benchmarks.frameworks.trainer.Trainer.matrix_product` gave.
    :param at_once: the fewest products in a burst.
    """
    bursts = []
    for left, right in step_products(workload):
        placed = place(left), place(right)
        bursts.append(Burst(lambda count, placed=placed: multiply(*placed, count), at_once))
    return workload.flops_per_epoch(workload.batch_size) / sum(best_seconds(bursts, seconds))


def numpy_product(left, right, count=1):
    """Multiply two matrices with NumPy so many times, and return the product."""
    for _ in range(count):
        product = left @ right
    return product


def copy_rate(place, copy, size_bytes, seconds):
    """Return the bytes a second, read and written ones, at which a device copies an array within its memory.

    :param place: with ``copy``, what :meth:`benchmarks.frameworks.trainer.Trainer.device_copy` gave.
    :param size_bytes: of the array: far larger than any cache, :func:`copy_bytes`.
    """
    array = place(np.ones(size_bytes // 4, np.float32))  # zeros would be one page of memory, read again and again
    (best,) = best_seconds([Burst(lambda count: copy(array, count))], seconds)
    return 2 * size_bytes / best


def copy_bytes(caches=CACHES):
    """Return how large an array is copied, in bytes: 512 MiB, or four times this CPU's largest cache."""
    sizes = [re.fullmatch(r"(\d+)K", path.read_text().strip()) for path in Path(caches).glob("index*/size")]
    return max([COPY_BYTES] + [4 * 1024 * int(size.group(1)) for size in sizes if size])


def step_products(workload):
    """Return the pairs of float32 matrices that a training step multiplies, in NumPy."""
    random = np.random.RandomState(0)

    def matrix(*shape):
        return random.standard_normal(shape).astype(np.float32)

    products = []
    for each in workload.made_of().products:
        rows = workload.batch_size * each.rows
        inputs, weight, delta = matrix(rows, each.n_in), matrix(each.n_in, each.n_out), matrix(rows, each.n_out)
        products += [(inputs, weight), (inputs.T, delta)] + ([] if each.first else [(delta, weight.T)])
    return products


class Burst:
    """One operation, repeated as often as takes :data:`BURST_SECONDS`, since a GPU's may take less than its launch.

    :param run: called with a count, repeats the operation and waits for the device.
    :param at_least: the count to begin with, a power of ten.
    """

    def __init__(self, run, at_least=1):
        self._run = run
        powers = (at_least * 10**k for k in itertools.count())
        for count in itertools.chain.from_iterable((n, 2 * n, 5 * n) for n in powers):
            run(count)  # compiles, where there is something to compile
            self.count = count
            if self.seconds() * count >= BURST_SECONDS or count >= MOST_AT_ONCE:
                break

    def seconds(self):
        """Return what one repetition takes, in seconds."""
        start = time.perf_counter()
        self._run(self.count)
        return (time.perf_counter() - start) / self.count


def best_seconds(bursts, seconds):
    """Return the best time of one repetition of each burst; they take turns for so many seconds."""
    best = [float("inf")] * len(bursts)
    end = time.perf_counter() + seconds
    while float("inf") in best or time.perf_counter() < end:
        for i, burst in enumerate(bursts):
            best[i] = min(best[i], burst.seconds())
    return best
