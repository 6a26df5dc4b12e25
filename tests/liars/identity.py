"""Trainers that say something else of themselves than is so: ``--framework-path tests/liars/identity.py``."""

import numpy

from tests.liars.trainers import Honest

TRAINERS = {
    "claims-a-gpu": "ClaimsAGpu",
    "claims-a-version": ("ClaimsAVersion", "numpy"),
    "changes-its-answer": "ChangesItsAnswer",
}


class ClaimsAGpu(Honest):
    device_name = "gpu:NVIDIA H200"


class ClaimsAVersion(Honest):
    """Says that it is of another release: of one that is faster, say."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        numpy.__version__ = "99.0"


class ChangesItsAnswer(Honest):
    """Shows other parameters than it trains, from the second epoch on: those of the epoch before."""

    def train_epoch(self, order):
        self.before = [tuple(array.copy() for array in layer) for layer in self.params]
        return super().train_epoch(order)

    def parameters(self):
        return getattr(self, "before", None) or self.params
