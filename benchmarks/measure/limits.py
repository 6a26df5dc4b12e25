"""What the machine could do: the measured limit that an epoch's time is held against."""

from __future__ import annotations

import time

import numpy as np

SECONDS = 0.5


def matrix_product_rate(workload, seconds=SECONDS):
    """Return the floating-point operations a second of the matrix products of one full training step, and no more.

    NumPy's BLAS runs each product that :meth:`Workload.flops_per_epoch` counts, over and over, in float32 on all
    usable cores; each product's best time counts. A framework with a better BLAS can pass 100 % of it.
    """
    random = np.random.RandomState(0)

    def matrix(*shape):
        return random.standard_normal(shape).astype(np.float32)

    products = []
    sizes = workload.layer_sizes
    for layer, (n_in, n_out) in enumerate(zip(sizes[:-1], sizes[1:])):
        inputs, weight = matrix(workload.batch_size, n_in), matrix(n_in, n_out)
        delta = matrix(workload.batch_size, n_out)
        products += [(inputs, weight), (inputs.T, delta)] + ([(delta, weight.T)] if layer else [])
    best = [float("inf")] * len(products)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for i, (left, right) in enumerate(products):
            start = time.perf_counter()
            left @ right
            best[i] = min(best[i], time.perf_counter() - start)
    return workload.flops_per_epoch(workload.batch_size) / sum(best)
