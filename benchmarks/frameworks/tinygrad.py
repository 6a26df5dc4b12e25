"""tinygrad: nn.Linear layers, nn.optim.SGD and one TinyJit step for each size of batch; NumPy cuts the batches."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import tempfile
from pathlib import Path

# Kernels from an earlier process would spare the first epoch its compilation; the worker's temporary directory is new.
os.environ.setdefault("CACHEDB", os.path.join(tempfile.gettempdir(), "tinygrad.db"))

import numpy as np
from tinygrad import Context, Device, Tensor, TinyJit, nn
from tinygrad.helpers import ALLOW_TF32, DEV, NUM_CPU_THREADS

from benchmarks.frameworks.trainer import Contract, NoGpu, Trainer, threads_asked

ALLOW_TF32.value = 0  # the default, said aloud: fp32 means fp32
NUM_CPU_THREADS.value = threads_asked()  # its own guess heeds a container's quota before the affinity


def find_nvrtc():
    """Return where a wheel has put NVIDIA's compiler, NVRTC, and its built-ins, as two paths; None if none has."""
    spec = importlib.util.find_spec("nvidia")
    for place in spec.submodule_search_locations if spec else ():
        for compiler in sorted(Path(place).glob("*/lib/libnvrtc.so.*")):
            for builtins in sorted(compiler.parent.glob("libnvrtc-builtins.so.*")):
                return compiler, builtins
    return None


def use_nvrtc_of_a_wheel():
    """Tell tinygrad of it, which by itself looks in the system's folders alone."""
    found = find_nvrtc()
    if found and "NVRTC_PATH" not in os.environ:
        compiler, builtins = found
        ctypes.CDLL(str(builtins))  # NVRTC opens it by its bare name, which works once it is loaded
        os.environ["NVRTC_PATH"] = str(compiler)


def nvidia_backend():
    """Return the name of tinygrad's first backend that can drive an NVIDIA GPU here, or None."""
    with contextlib.suppress(OSError):  # a library that does not load is told by the backends
        use_nvrtc_of_a_wheel()
    # In tinygrad's own order. NV opens the device files itself and takes the first card, whichever CUDA may see.
    for name in ("CUDA",) if "CUDA_VISIBLE_DEVICES" in os.environ else ("NV", "CUDA"):
        with contextlib.suppress(Exception):  # each fails in its own way where there is no GPU, driver or compiler
            _ = Device[name].renderer
            return name
    return None


class MLP:
    def __init__(self, layer_sizes):
        self.layers = [nn.Linear(n_in, n_out) for n_in, n_out in zip(layer_sizes[:-1], layer_sizes[1:])]

    def __call__(self, values):
        for layer in self.layers[:-1]:
            values = layer(values).tanh()
        return self.layers[-1](values)


class TinygradTrainer(Trainer):
    contract = Contract("compiled")

    def __init__(self, workload, dataset, parameters, device):
        gpu = nvidia_backend() if device != "cpu" else None
        if device == "gpu" and gpu is None:
            raise NoGpu
        DEV.value = gpu or "CPU"
        self.device_name = f"gpu:{gpu} {Device[gpu].renderer.target.arch}" if gpu else "cpu"
        self.workload, self.dataset = workload, dataset
        self.model = MLP(workload.layer_sizes)
        for layer, (weight, bias) in zip(self.model.layers, parameters):
            layer.weight.replace(Tensor(weight.T.copy()).realize())
            layer.bias.replace(Tensor(bias).realize())
        self.optimizer = nn.optim.SGD(nn.state.get_parameters(self.model), workload.learning_rate)
        self.total_loss = Tensor.zeros().contiguous().realize()
        # A TinyJit replays kernels of fixed shapes, so the ragged last batch has one of its own.
        self.steps, self.counts = {}, {}

    def step(self, images, labels):
        self.optimizer.zero_grad()
        loss = self.model(images).sparse_categorical_crossentropy(labels).backward()
        self.total_loss.assign(self.total_loss + loss * len(labels))
        Tensor.realize(self.total_loss, *self.optimizer.schedule_step())

    def count_correct(self, images, labels):
        return (self.model(images).argmax(axis=1) == labels).sum().realize()

    def train_epoch(self, order):
        images, labels = self.dataset.train_images, self.dataset.train_labels
        self.total_loss.assign(Tensor.zeros()).realize()
        with Context(TRAINING=1):
            for batch in self.workload.batches(order):
                step = self.steps.setdefault(len(batch), TinyJit(self.step))
                step(Tensor(images[batch]), Tensor(labels[batch]))
        Device.default.synchronize()
        return self.total_loss.item() / len(order)

    def evaluate(self):
        images, labels = self.dataset.test_images, self.dataset.test_labels
        correct = 0
        for batch in self.workload.batches(np.arange(len(labels))):
            count = self.counts.setdefault(len(batch), TinyJit(self.count_correct))
            correct += count(Tensor(images[batch]), Tensor(labels[batch])).item()
        return correct / len(labels)

    def parameters(self):
        return [(layer.weight.numpy().T.copy(), layer.bias.numpy()) for layer in self.model.layers]

    # No threads(): NUM_CPU_THREADS says into how many parts a kernel is cut; tinygrad 0.14 runs them one after another.
