"""What the machine could do: the measured limit that an epoch's time is held against."""

from __future__ import annotations

import time

import numpy as np

SECONDS = 1.0


def matrix_product_rate(workload, place=np.asarray, multiply=np.matmul, seconds=SECONDS):
    """Return the floating-point operations a second of the matrix products of one full training step, and no more.

    Each product that :meth:`Workload.flops_per_epoch` counts is run over and over, in float32 on all usable cores;
    each one's best time counts.

    :param place: takes a NumPy array to where ``multiply`` wants it.
    :param multiply: multiplies two such matrices and waits for the product.
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
    products = [(place(left), place(right)) for left, right in products]
    for left, right in products:
        multiply(left, right)  # compiles, where there is something to compile
    best = [float("inf")] * len(products)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for i, (left, right) in enumerate(products):
            start = time.perf_counter()
            multiply(left, right)
            best[i] = min(best[i], time.perf_counter() - start)
    return workload.flops_per_epoch(workload.batch_size) / sum(best)
