"""NumPy without a trainer: its products, and the threads of its BLAS."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_info

from benchmarks.frameworks.trainer import NoGpu


def multiply(left, right, count=1):
    for _ in range(count):
        product = left @ right
    return product


class NumpyEngine:
    """What NumPy's trainer is asked beside training."""

    @staticmethod
    def matrix_product(device="cpu", precision="fp32"):
        if precision != "fp32":
            return None
        if device == "gpu":
            raise NoGpu
        return np.asarray, multiply

    def threads(self):
        return next((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), None)
