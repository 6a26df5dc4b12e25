"""Trainers whose memory is not what it seems: ``--framework-path tests/liars/memory.py``."""

import mmap
import os
import time

from tests.liars.trainers import Honest

TRAINERS = {
    "helper-holds-it": "HelperHoldsIt",
    "helper-shares-it": "HelperSharesIt",
    "resets-its-peak": "ResetsItsPeak",
    "leaks": "Leaks",
    "warms-up": "WarmsUp",
}
MIB = bytes([1]) * 2**20
SIZE = 300 * len(MIB)


def fill(size):
    memory = mmap.mmap(-1, size)
    for _ in range(size // len(MIB)):
        memory.write(MIB)
    return memory


class HelperHoldsIt(Honest):
    """Has a helper process hold most of its memory."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        ready, tell = os.pipe()
        if os.fork() == 0:
            self.hoard = fill(SIZE)
            os.write(tell, b"!")
            time.sleep(3600)
        os.read(ready, 1)


class HelperSharesIt(Honest):
    """Holds it itself, and has a helper, a fork, that shares every page of it: there it is but once."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.hoard = bytearray(b"x") * SIZE
        if os.fork() == 0:
            time.sleep(3600)


class ResetsItsPeak(Honest):
    """Takes much memory while it trains, and has the kernel forget it before anybody asks."""

    def train_epoch(self, order):
        if len(order) < self.workload.images_per_epoch(len(self.dataset.train_labels)):
            return super().train_epoch(order)
        memory = fill(SIZE)
        loss = super().train_epoch(order)
        time.sleep(0.25)
        memory.close()
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        return loss


class Leaks(Honest):
    """Keeps 40 MiB more of every epoch."""

    kept = ()

    def train_epoch(self, order):
        if len(order) == self.workload.images_per_epoch(len(self.dataset.train_labels)):
            self.kept = (*self.kept, bytearray(b"x") * self.size())
        return super().train_epoch(order)

    def size(self):
        return 40 * 2**20


class WarmsUp(Leaks):
    """Fills its caches, less with every epoch: an honest one."""

    def size(self):
        return 40 * 2**20 // 6 ** len(self.kept)
