"""Ranks in NumPy, which share their gradients over a socket: an honest one, and some that lie or break."""

import os
import signal
import time
from multiprocessing.connection import Client, Listener

import numpy as np

from benchmarks.ranks import RankTrainer
from benchmarks.workload import oracle

PATIENCE_SECONDS = 10


class Honest(RankTrainer):
    def __init__(self, workload, parameters, place):
        self.workload, self.params, self.place = workload, parameters, place
        self.rate = np.float32(workload.learning_rate)
        self.others, self.epochs = self.meet(place.addresses[0]), 0

    def meet(self, address):
        host, _, port = address.rpartition(":")
        address = host, int(port)
        if self.place.rank:
            return [connected(address)]
        with Listener(address, backlog=self.place.ranks) as listener:
            return [listener.accept() for _ in range(self.place.ranks - 1)]

    def mean(self, gradients):
        """Return the mean over all ranks: the first one takes it, and tells the others."""
        if self.place.rank:
            self.others[0].send(gradients)
            return self.others[0].recv()
        told = [gradients, *(other.recv() for other in self.others)]
        found = [sum(each) / np.float32(len(told)) for each in zip(*told)]
        for other in self.others:
            other.send(found)
        return found

    def train(self, batches):
        total, self.epochs = 0.0, self.epochs + 1
        for images, labels in batches:
            loss, gradients = oracle.loss_and_gradients(self.workload, self.params, images, labels)
            flat = self.mean([array for layer in gradients for array in layer])
            for array, gradient in zip((array for layer in self.params for array in layer), flat):
                array -= self.rate * gradient
            total += float(loss) * len(labels)
        return total

    def parameters(self, device):
        return self.params


class Apart(Honest):
    """Trains by its own share alone."""

    def mean(self, gradients):
        return gradients


class Sums(Honest):
    """Takes the sum for the mean."""

    def mean(self, gradients):
        return [each * np.float32(self.place.ranks) for each in super().mean(gradients)]


class Drifts(Honest):
    """Its second device has the last layer's biases of another network."""

    def parameters(self, device):
        if self.place.rank or device:
            self.params[-1][1][:] += 0.1
        return self.params


class Killed(Honest):
    """Its second rank is killed in the second epoch."""

    def train(self, batches):
        if self.place.rank and self.epochs:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().train(batches)


class Raises(Honest):
    """Its second rank fails in the second epoch."""

    def train(self, batches):
        if self.place.rank and self.epochs:
            raise RuntimeError("the second rank has had enough")
        return super().train(batches)


class Told(Honest):
    """Fails with what it was told of its device."""

    def train(self, batches):
        told = os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH")
        raise RuntimeError(f"on {self.place.device} {told[0]}, growing: {told[1]}")


class Hangs(Honest):
    """Its second rank waits for ever."""

    def train(self, batches):
        while self.place.rank:
            time.sleep(1)
        return super().train(batches)


def connected(address):
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return Client(address)
        except (ConnectionRefusedError, TimeoutError):
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
