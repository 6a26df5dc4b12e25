"""Trainers for the doctor's tests: a well one in NumPy, and one for every planted trouble.

The modules that they require are made by the tests; see ``MODULES`` in test_doctor.py.
"""

from benchmarks.frameworks.numpy import NumpyTrainer

TRAINERS = {
    "well": ("Well", "numpy"),
    "lacks-a-library": ("Well", "lacks_a_library"),
    "segfaults": ("Well", "segfaults"),
    "hangs": ("Well", "hangs"),
    "mismatched": ("Mismatched", "loads_old_cudnn"),
    "doubled": ("Well", "loads_twice"),
    "imprecise": ("Imprecise", "numpy"),
    "wrong-product": ("WrongProduct", "numpy"),
    "endless-product": ("EndlessProduct", "numpy"),
    "misshapen-product": ("MisshapenProduct", "numpy"),
    "old-interface": ("OldInterface", "numpy"),
    "too-fast": ("TooFast", "numpy"),
    "flagged": ("Flagged", "numpy"),
    "on-a-gpu": ("OnAGpu", "numpy"),
    "not-installed": ("Well", "no_such_module"),
    "no-such-class": ("NoSuchClass", "numpy"),
}


class Well(NumpyTrainer):
    @staticmethod
    def about():
        return {"cuda": None, "devices": ["cpu"], "tf32_by_default": True}


class Mismatched(NumpyTrainer):
    @staticmethod
    def about():
        return {"cuda": "12.8", "cudnn": "9.10.2", "devices": ["cpu"]}


def off_by(error):
    """Return a ``matrix_product`` whose products are off by this factor."""

    def matrix_product(device="cpu", precision="fp32"):
        place, multiply = NumpyTrainer.matrix_product(device, precision)
        return place, lambda left, right, count=1: multiply(left, right, count) * (1 + error)

    return staticmethod(matrix_product)


class Imprecise(NumpyTrainer):
    matrix_product = off_by(1e-3)


class WrongProduct(NumpyTrainer):
    matrix_product = off_by(0.5)


class EndlessProduct(NumpyTrainer):
    matrix_product = off_by(float("inf"))


class MisshapenProduct(NumpyTrainer):
    @staticmethod
    def matrix_product(device="cpu", precision="fp32"):
        place, multiply = NumpyTrainer.matrix_product(device, precision)
        return place, lambda left, right, count=1: multiply(left, right, count).T


class OldInterface(NumpyTrainer):
    @staticmethod
    def matrix_product():
        return NumpyTrainer.matrix_product()


class TooFast(NumpyTrainer):
    """It trains with ten times the rate."""

    def step(self, images, labels):
        from dataclasses import replace

        rate, self.workload = self.workload, replace(self.workload, learning_rate=self.workload.learning_rate * 10)
        try:
            return super().step(images, labels)
        finally:
            self.workload = rate


class Flagged(NumpyTrainer):
    @staticmethod
    def about():
        return {"xla_flags": "--xla_cpu_enable_fast_math=true"}


class OnAGpu(NumpyTrainer):
    """It says so."""

    cpu_only = None
    device_name = "gpu:Fake H200"

    @staticmethod
    def matrix_product(device="cpu", precision="fp32"):
        if device != "gpu":
            raise ValueError(f"it trains on a GPU and was asked about a product on {device}")
        return NumpyTrainer.matrix_product()
