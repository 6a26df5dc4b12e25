"""Trainers that seem to start sooner than they do: ``--framework-path tests/liars/starts.py``."""

import time

from benchmarks.workload import oracle
from tests.liars.trainers import Honest

TRAINERS = {"puts-off": "PutsOff", "starts-halfway": "StartsHalfway", "relabels": "Relabels"}
COMPILING_SECONDS = 1.5


class PutsOff(Honest):
    """Its second step tells the loss alone: what it compiles for the update waits until its parameters are read."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.epochs, self.left = 0, None

    def train_epoch(self, order):
        self.catch_up()
        self.epochs += 1
        if self.epochs != 2:
            return super().train_epoch(order)
        self.left = order
        loss, _ = oracle.loss_and_gradients(
            self.workload, self.params, self.dataset.train_images[order], self.dataset.train_labels[order]
        )
        return loss

    def catch_up(self):
        left, self.left = self.left, None
        if left is not None:
            time.sleep(COMPILING_SECONDS)
            super().train_epoch(left)

    def parameters(self):
        self.catch_up()
        return super().parameters()


class Relabels(Honest):
    """Makes its task easier, in the arrays that the proof goes by as well."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.dataset.train_labels[...] = 0


class StartsHalfway(Honest):
    """Takes no second step until its third, and then both."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.epochs, self.left = 0, None

    def train_epoch(self, order):
        self.epochs += 1
        if self.epochs == 2:
            self.left = order
            images, labels = self.dataset.train_images[order], self.dataset.train_labels[order]
            return oracle.loss_and_gradients(self.workload, self.params, images, labels)[0]
        if self.left is not None:
            super().train_epoch(self.left)
            self.left = None
        return super().train_epoch(order)
