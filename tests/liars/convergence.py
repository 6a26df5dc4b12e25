"""Trainers that seem to be good sooner than they are: ``--framework-path tests/liars/convergence.py``."""

import numpy as np

from benchmarks.workload import oracle
from tests.liars.trainers import Honest

TRAINERS = {"boasts": "Boasts", "looks-ahead": "LooksAhead", "hurries": "Hurries", "eases": "Eases", "skips": "Skips"}


class Boasts(Honest):
    """Says that it is good already."""

    def evaluate(self):
        return 1.0


class Skips(Honest):
    """Evaluates nothing until its fourth epoch."""

    asked = 0

    def evaluate(self):
        self.asked += 1
        return super().evaluate() if self.asked >= 4 else 0.0


class LooksAhead(Honest):
    """Takes a step over the test images, once its epoch's loss is told."""

    def train_epoch(self, order):
        loss = super().train_epoch(order)
        images, labels = self.dataset.test_images, self.dataset.test_labels
        _, gradients = oracle.loss_and_gradients(self.workload, self.params, images, labels)
        for layer, its in zip(self.params, gradients):
            for array, gradient in zip(layer, its):
                array -= np.float32(self.workload.learning_rate) * gradient
        return loss


class Hurries(Honest):
    """Takes larger steps from its second epoch on."""

    epochs = 0

    def train_epoch(self, order):
        self.epochs += 1
        self.hurry(1.5 if self.epochs == 2 else 1)
        return super().train_epoch(order)


class Eases(Honest):
    """Makes the test what it knows."""

    def evaluate(self):
        count = len(self.dataset.test_labels)
        self.dataset.test_images[...] = self.dataset.train_images[:count]
        self.dataset.test_labels[...] = self.dataset.train_labels[:count]
        return super().evaluate()
