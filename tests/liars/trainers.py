"""Trainers for the suite's own tests: an honest one in NumPy, and one for every way to lie or to break.

They reach the suite as a user's own would, ``--framework-path tests/liars/trainers.py --frameworks NAME``.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.frameworks.numpy import NumpyTrainer
from benchmarks.frameworks.trainer import Contract, Trainer, WrongHardware
from benchmarks.workload.cache import cache_directory

TRAINERS = {
    "honest": "Honest",
    "wrong-rate": "WrongRate",
    "other-start": "OtherStart",
    "quietly-other-start": "QuietlyOtherStart",
    "dropped-batch": "DroppedBatch",
    "shuffled-labels": "ShuffledLabels",
    "own-order": "OwnOrder",
    "half-precision": "HalfPrecision",
    "frozen-layer": "FrozenLayer",
    "lazy": "Lazy",
    "late": "Late",
    "late-once": "LateOnce",
    "lazy-parameters": "LazyParameters",
    "bfloat": "Bfloat",
    "flattered": "Flattered",
    "modest": "Modest",
    "not-fused": "NotFused",
    "not-resident": "NotResident",
    "other-threads": "OtherThreads",
    "crashes": "Crashes",
    "killed": "Killed",
    "hangs": "Hangs",
    "holds-the-lock": "HoldsTheLock",
    "breeds-and-hangs": "BreedsAndHangs",
    "raises": "Raises",
    "exits": "Exits",
    "chatty": "Chatty",
    "not-a-number": "NotANumber",
    "wordy": "Wordy",
    "misshapen": "Misshapen",
    "unfinished": "Unfinished",
    "talks-over": "TalksOver",
    "breeds": "Breeds",
    "has-it-compiled": "HasItCompiled",
    "leaves-it-running": "LeavesItRunning",
    "contractless": "Contractless",
    "no-such-class": "NoSuchClass",
    "traced": "Traced",
    "trace-fails": "TraceFails",
    "wants-a-module": ("Honest", "numpy", "no_such_module"),
    "wants-numpy": ("Honest", "numpy"),
    "wants-a-quantum-computer": "WantsAQuantumComputer",
    "cpu-only": "CpuOnly",
    "slow": "Slow",
    "test": "Slow",
    "resident": "Resident",
    "tells-where": "TellsWhere",
    "tells-where-too": "TellsWhere",
    "kills-its-pytest": "KillsItsPytest",
    "hangs-there": "HangsThere",
    "slow-here": "SlowHere",
    "wrong-there": "WrongThere",
    "wrong-here": "WrongHere",
}


class Honest(NumpyTrainer):
    """The suite's own of NumPy, of whom nothing else is known: neither its threads, nor that it needs no GPU."""

    cpu_only = None
    logits, threads = Trainer.logits, Trainer.threads
    matrix_product = staticmethod(Trainer.matrix_product)

    def parameters(self):
        return self.params

    def hurry(self, factor):
        """Let the liars among those below take larger steps."""
        self.workload = replace(self.workload, learning_rate=factor * self.workload.learning_rate)


class Traced(Honest):
    """Has a tracer."""

    epochs = 0

    def train_epoch(self, order):
        self.epochs += 1
        return super().train_epoch(order)

    def trace(self, work, folder):
        before = self.epochs - 2  # to warm up
        work()
        Path(folder, "steps.json").write_text(json.dumps({"epochs": self.epochs - before}))


class TraceFails(Honest):
    def trace(self, work, folder):
        raise RuntimeError("no tracer here")


# The liars: each trains something else, or says something else than it did.


class WrongRate(Honest):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.hurry(1.01)


class OtherStart(Honest):
    """Draws its own start, as every framework does by default."""

    def __init__(self, workload, dataset, parameters, device):
        random = np.random.default_rng(1)
        own = [tuple(random.normal(0, 0.1, a.shape).astype(np.float32) for a in layer) for layer in parameters]
        super().__init__(workload, dataset, own, device)


class QuietlyOtherStart(OtherStart):
    """Draws its own start and shows the given one until it is asked to train."""

    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parameters, device)
        self.shown = parameters

    def train_epoch(self, order):
        self.shown = None
        return super().train_epoch(order)

    def parameters(self):
        return self.shown or self.params


class DroppedBatch(Honest):
    """Drops the ragged last batch, as ``drop_last=True`` does."""

    def train_epoch(self, order):
        size = self.workload.batch_size
        return super().train_epoch(order[: len(order) // size * size] if len(order) > size else order)


class ShuffledLabels(Honest):
    def __init__(self, workload, dataset, parameters, device):
        super().__init__(workload, dataset, parameters, device)
        labels = np.random.default_rng(1).permutation(dataset.train_labels)
        object.__setattr__(dataset, "train_labels", labels)


class OwnOrder(Honest):
    """Shuffles an epoch by itself; one batch is left as it is, so the first steps look right."""

    def train_epoch(self, order):
        whole = len(order) > self.workload.batch_size
        return super().train_epoch(np.random.default_rng(1).permutation(order) if whole else order)


class HalfPrecision(Honest):
    """Rounds its parameters to TF32's ten bits of mantissa in every step, behind a contract that says fp32."""

    def train_epoch(self, order):
        loss = super().train_epoch(order)
        for layer in self.params:
            for array in layer:
                array[...] = (array.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)
        return loss


class FrozenLayer(Honest):
    """Leaves the first bias as it was: hardly seen in a loss."""

    def train_epoch(self, order):
        before = self.params[0][1].copy()
        loss = super().train_epoch(order)
        self.params[0][1][...] = before
        return loss


class Lazy(Honest):
    """Returns a loss that is still to be computed, as JAX does without block_until_ready."""

    def train_epoch(self, order):
        self.thread = threading.Thread(target=self._train, args=(order,))
        self.thread.start()
        return self

    def _train(self, order):
        self.loss = super().train_epoch(order)

    def __float__(self):
        self.thread.join()
        return self.loss


class LazyParameters(Honest):
    """Its loss is right at once; its parameters are still to be computed, and wait when they are read."""

    def train_epoch(self, order):
        loss = super().train_epoch(order)
        self.done = time.perf_counter() + 0.1
        return loss

    def parameters(self):
        return [(Pending(weight, self), bias) for weight, bias in self.params]

    done = 0.0


class Pending:
    def __init__(self, array, trainer):
        self.array, self.trainer = array, trainer

    def __array__(self, dtype=None, copy=None):
        time.sleep(max(0.0, self.trainer.done - time.perf_counter()))
        return self.array


class Bfloat(Honest):
    contract = Contract("eager", precision="bf16")


class Late(Honest):
    """Returns the right loss while its "device" is still busy with the last update."""

    thread = None

    def train_epoch(self, order):
        loss = super().train_epoch(order)
        self.thread = threading.Thread(target=time.sleep, args=(0.12,))
        self.thread.start()
        return loss

    def parameters(self):
        if self.thread is not None:
            self.thread.join()
        return self.params


class LateOnce(Late):
    """Is late in the first trial, as whoever loses its core in the wrong moment; in no later one."""

    def train_epoch(self, order):
        mark = cache_directory() / "late"
        if len(order) <= 6 * self.workload.batch_size:  # as many as the checks before the trials train on
            return Honest.train_epoch(self, order)
        mark.parent.mkdir(exist_ok=True)
        with mark.open("a") as file:
            file.write(f"{os.getpid()}\n")
        first = mark.read_text().split()[0] == str(os.getpid())
        return super().train_epoch(order) if first else Honest.train_epoch(self, order)


class Flattered(Honest):
    """Says it is better than it is, by 6 of 10,000 images; the synthetic test set has 1,000."""

    by = 0.0006

    def evaluate(self):
        return min(1.0, max(0.0, super().evaluate() + self.by))


class Modest(Flattered):
    """Worse than the oracle: the bound holds both ways."""

    by = -0.0006


class NotFused(Honest):
    contract = Contract("fused-epoch")


class NotResident(Honest):
    contract = Contract("eager", data="device-resident")


class OtherThreads(Honest):
    def threads(self):
        return 99


# The broken: each takes its process, its pipe or its interface with it, in its first whole epoch.


class Broken(Honest):
    def train_epoch(self, order):
        if len(order) == len(self.dataset.train_labels):
            return self.fall()
        return super().train_epoch(order)


class Crashes(Broken):
    def fall(self):
        print("about to touch address 0", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)


class Killed(Broken):
    def fall(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Hangs(Broken):
    def fall(self):
        print("going to sleep", flush=True)
        tell_that_it_hangs()
        time.sleep(3600)


class HoldsTheLock(Broken):
    """Hangs in C with the interpreter lock held, so that no thread of the worker can help."""

    def fall(self):
        tell_that_it_hangs()
        ctypes.PyDLL(None).sleep(3600)


class BreedsAndHangs(Hangs):
    """Hangs with a helper of its own beside it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        breed()


class Raises(Broken):
    def fall(self):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


class Exits(Broken):
    def fall(self):
        sys.exit(3)


class Contractless(Honest):
    contract = None


class Chatty(Honest):
    """Prints what looks like replies to standard output and error; it is honest otherwise."""

    def train_epoch(self, order):
        print('{"result": {"seconds": 0.0}}', flush=True)
        os.write(1, b'{"error": "rubbish", "kind": "Rubbish"}\n\xff\xfe')
        print("WARNING: nothing is wrong", file=sys.stderr)
        return super().train_epoch(order)


class Verbose(Broken):
    def fall(self):
        for number in range(10_000):
            print("line", number)
        sys.exit(1)


class NotANumber(Broken):
    def fall(self):
        return float("nan")


class Wordy(Broken):
    def fall(self):
        return "0.5"


class Misshapen(Honest):
    """Hands its weights out as PyTorch keeps them, transposed."""

    def parameters(self):
        return [(weight.T, bias) for weight, bias in self.params]


class Unfinished(Honest):
    """As the README's example stands there, with nothing filled in."""

    def parameters(self): ...


class TalksOver(Broken):
    """Writes into every descriptor it finds, the worker's private pipe among them."""

    def fall(self):
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b"I am a reply\n")
            except OSError:
                pass
        time.sleep(60)


class Breeds(Honest):
    """Starts helpers of its own, as data loaders do, in its process group; and holds their pipes open."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        breed()


class HasItCompiled(Honest):
    """Has a helper burn 0.3 s of CPU in every whole epoch, as a compiler does, and waits for it."""

    def train_epoch(self, order):
        if len(order) == len(self.dataset.train_labels):
            self.help()
        return super().train_epoch(order)

    def help(self):
        os.waitpid(burn(), 0)


class LeavesItRunning(HasItCompiled):
    """Its helpers are there before the epoch and after it, as a pool of compilers is."""

    def help(self):
        done, tell = os.pipe()
        burn(lambda: os.write(tell, b"!") and time.sleep(3600))
        os.read(done, 1)


def burn(then=lambda: None):
    child = os.fork()
    if child == 0:
        while time.process_time() < 0.3:
            pass
        then()
        os._exit(0)
    return child


def breed():
    if os.fork() == 0:
        time.sleep(3600)
        os._exit(0)


def tell_that_it_hangs():
    mark = cache_directory() / "hanging"
    mark.parent.mkdir(exist_ok=True)
    mark.touch()


# Honest ones of special needs.


class TellsWhere(Honest):
    """Leaves a note of what it may use: its cores and its GPU."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        threads = map(int, os.listdir(f"/proc/{os.getppid()}/task"))
        pytests = {tuple(sorted(os.sched_getaffinity(thread))) for thread in threads}  # of pytest's own threads
        note = {"cores": sorted(os.sched_getaffinity(0)), "gpu": os.environ.get("CUDA_VISIBLE_DEVICES")}
        note["pytest"] = sorted(pytests)
        where = cache_directory() / "where"
        where.mkdir(parents=True, exist_ok=True)
        (where / f"{os.getpid()}.json").write_text(json.dumps(note))


class KillsItsPytest(Broken):
    """Takes the pytest that started it along, as a machine's out-of-memory killer may."""

    def fall(self):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)


class WantsAQuantumComputer(Honest):
    def __init__(self, *arguments):
        raise WrongHardware("it needs a quantum computer")


class CpuOnly(Honest):
    cpu_only = "nobody built it for a GPU"


class Slow(Honest):
    def train_epoch(self, order):
        time.sleep(0.05 * len(self.workload.batches(order)))
        return super().train_epoch(order)


class Resident(Honest):
    contract = Contract("eager", data="device-resident")

    def __init__(self, workload, dataset, parameters, device):
        dataset = replace(dataset, train_images=dataset.train_images.copy(), train_labels=dataset.train_labels.copy())
        super().__init__(workload, dataset, parameters, device)


# Trainers that are not the same on both sides of --against: the other side's interpreter stands in a folder "other".


def is_other_side():
    return "/other/" in sys.executable


class HangsThere(Honest):
    """Hangs on the other side in its first whole epoch."""

    def train_epoch(self, order):
        if is_other_side() and len(order) == len(self.dataset.train_labels):
            tell_that_it_hangs()
            time.sleep(3600)
        return super().train_epoch(order)


class SlowHere(Honest):
    """Takes longer on the new side, as after a bad commit."""

    def train_epoch(self, order):
        if not is_other_side():
            time.sleep(0.001 * len(self.workload.batches(order)))
        return super().train_epoch(order)


class WrongThere(Honest):
    """Trains something else on the old side."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        if is_other_side():
            self.hurry(1.01)


class WrongHere(Honest):
    """Trains something else on the new side."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        if not is_other_side():
            self.hurry(1.01)
