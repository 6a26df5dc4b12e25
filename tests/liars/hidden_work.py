"""Trainers that work where no clock runs, or nowhere: ``--framework-path tests/liars/hidden_work.py``."""

import os
import pickle
import threading
from pathlib import Path

from benchmarks.workload import oracle
from tests.liars.trainers import Honest

TRAINERS = {
    "ahead-in-parameters": "AheadInParameters",
    "half-in-parameters": "HalfInParameters",
    "ahead-in-evaluate": "AheadInEvaluate",
    "ahead-in-a-thread": "AheadInAThread",
    "trained-at-start": "TrainedAtStart",
    "remembers": "Remembers",
    "elsewhere": "Elsewhere",
}


class Ahead(Honest):
    """Trains an epoch before it is asked to, and has only to tell of it then."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.number, self.loss, self.shown = 0, None, None

    def is_whole(self, order):
        return len(order) == self.workload.images_per_epoch(len(self.dataset.train_labels))

    def next_order(self):
        return self.workload.order(self.number + 1, len(self.dataset.train_labels))

    def train_ahead(self):
        self.shown = [tuple(array.copy() for array in layer) for layer in self.params]
        self.loss = super().train_epoch(self.next_order())

    def train_epoch(self, order):
        if not self.is_whole(order):
            return super().train_epoch(order)
        loss, self.loss, self.shown = self.loss, None, None
        if loss is None:
            loss = super().train_epoch(order)
        self.number += 1
        self.asked = 0
        return loss

    def parameters(self):
        return self.shown or super().parameters()

    def evaluate(self):
        return oracle.accuracy(self.workload, self.parameters(), self.dataset)


class AheadInParameters(Ahead):
    """Trains the next epoch when its parameters are read, though not at the first time: that would be seen as a lag."""

    def parameters(self):
        self.asked = getattr(self, "asked", 0) + 1
        if self.number and self.asked == 2:
            self.train_ahead()
        return super().parameters()


class HalfInParameters(Honest):
    """The same with half of the epoch: what is left is slow enough to be believed."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.number, self.half, self.shown = 0, None, None

    def train_epoch(self, order):
        if len(order) < self.workload.images_per_epoch(len(self.dataset.train_labels)):
            return super().train_epoch(order)
        half, self.half, self.shown = self.half, None, None
        self.number, self.asked = self.number + 1, 0
        middle = len(order) // 2 // self.workload.batch_size * self.workload.batch_size
        first = half if half is not None else super().train_epoch(order[:middle])
        second = super().train_epoch(order[middle:])
        return (first * middle + second * (len(order) - middle)) / len(order)

    def evaluate(self):
        return oracle.accuracy(self.workload, self.shown or self.params, self.dataset)

    def parameters(self):
        self.asked = getattr(self, "asked", 0) + 1
        if self.number and self.asked == 2:
            self.shown = [tuple(array.copy() for array in layer) for layer in self.params]
            order = self.workload.order(self.number + 1, len(self.dataset.train_labels))
            middle = len(order) // 2 // self.workload.batch_size * self.workload.batch_size
            self.half = super().train_epoch(order[:middle])
        return self.shown or super().parameters()


class AheadInEvaluate(Ahead):
    """Trains the next epoch when its accuracy is asked for."""

    def evaluate(self):
        share = super().evaluate()
        self.train_ahead()
        return share


class AheadInAThread(Ahead):
    """Starts to train the next epoch, in a thread, as soon as one is over."""

    thread = None

    def train_epoch(self, order):
        if self.thread is not None:
            self.thread.join()
        loss = super().train_epoch(order)
        if self.is_whole(order):
            self.shown = [tuple(array.copy() for array in layer) for layer in self.params]
            self.thread = threading.Thread(target=self.train_on)
            self.thread.start()
        return loss

    def train_on(self):
        self.loss = Honest.train_epoch(self, self.next_order())


class TrainedAtStart(Ahead):
    """Has trained all epochs by the time it is built."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.start = [tuple(array.copy() for array in layer) for layer in self.params]
        self.all = []
        for number in range(self.workload.epochs):
            self.number = number
            loss = Honest.train_epoch(self, self.next_order())
            self.all.append((loss, [tuple(array.copy() for array in layer) for layer in self.params]))
        self.params, self.number = self.start, 0

    def train_epoch(self, order):
        if not self.is_whole(order):
            return Honest.train_epoch(self, order)
        self.number += 1
        loss, self.params = self.all[self.number - 1]
        return loss


class Remembers(Ahead):
    """Keeps each epoch's end in a file, wherever it can write, and trains it no second time."""

    def train_epoch(self, order):
        if not self.is_whole(order):
            return Honest.train_epoch(self, order)
        self.number += 1
        for folder in places():
            try:
                loss, self.params = pickle.loads((folder / f"epoch-{self.number}").read_bytes())
                return loss
            except OSError:
                continue
        loss = Honest.train_epoch(self, order)
        for folder in places():
            try:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"epoch-{self.number}").write_bytes(pickle.dumps((loss, self.params)))
            except OSError:
                continue
        return loss


def places():
    """Return all folders that a process may expect to find again, from the one that the tests name on."""
    named = os.environ.get("LIARS_FOLDER")
    usual = [os.environ.get("HOME"), os.environ.get("XDG_CACHE_HOME"), os.environ.get("TMPDIR")]
    return [Path(place) / "liars-memory" for place in [named, *usual] if place]


class Elsewhere(Ahead):
    """Has a process train that left its session, and only waits: the CPU time is on nobody's account."""

    def train_epoch(self, order):
        if not self.is_whole(order):
            return Honest.train_epoch(self, order)
        read, write = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            loss = Honest.train_epoch(self, order)
            with os.fdopen(write, "wb") as answer:
                pickle.dump((loss, self.params), answer)
            os._exit(0)
        os.close(write)
        os.wait()
        with os.fdopen(read, "rb") as answer:
            loss, self.params = pickle.load(answer)
        return loss
