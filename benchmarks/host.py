"""Hosts one trainer: builds it, times its epochs, asks it to account for itself.

Runs inside the worker process, or in pytest's own with ``--isolation=none``. Everything here answers with plain
numbers, strings, lists and dictionaries, so that it can cross the worker's pipe as JSON.
"""

from __future__ import annotations

import gc
import math
import os
import sys
import time
from dataclasses import asdict

import numpy as np

from benchmarks.framework_calls import FrameworkCalls
from benchmarks.frameworks.engines.device_time import device_time
from benchmarks.frameworks.loading import GpuUnseen, TrainerError, check_installed, version_of
from benchmarks.frameworks.trainer import NoGpu, WrongHardware
from benchmarks.workload import mnist
from benchmarks.workload.dataset import synthetic
from benchmarks.workload.sketch import sketch_update
from benchmarks.workload.spec import Workload
from pytest_duet.sensors import memory
from pytest_duet.sensors import python_calls as watching
from pytest_duet.sensors.cpu import process_usage, scheduling_policy, usable_cores


class Host(FrameworkCalls):
    """One trainer and what is measured around it; made by :meth:`build`."""

    def build(self, location, requires, workload, data_directory, device, variables=(), threads=None):
        """Import the framework, build the trainer from the workload's own start, and say what came of it.

        :param location: see :class:`benchmarks.frameworks.Entry`, as are ``requires`` and ``variables``.
        :param workload: what :meth:`Workload.as_dict` gave.
        :param data_directory: where the four MNIST files are; None for the synthetic data set.
        :param threads: how many the trainer must compute with, if it can tell; None for any number.
        :raises NotInstalled: where one of ``requires`` is missing here.
        :raises WrongHardware: where the trainer can never run on this machine.
        """
        check_installed(requires)
        os.environ.update(variables)
        self.workload = Workload(**workload)
        self.dataset = mnist.load(data_directory) if data_directory else synthetic()
        start = time.perf_counter_ns()
        trainer_class = self._load(location)
        imported = time.perf_counter_ns()
        self.initial = self.workload.initial_parameters()
        copies = [tuple(array.copy() for array in layer) for layer in self.initial]  # a trainer may train in place
        if trainer_class.contract is None:
            raise TrainerError(f"{trainer_class.__name__} sets no contract, such as contract = Contract('eager')")
        if trainer_class.contract.precision != "fp32":
            raise TrainerError("its contract is not fp32, and parity has tolerances for float32 alone so far")
        if trainer_class.cpu_only:
            if device == "gpu":
                raise WrongHardware(f"CPU only, because {trainer_class.cpu_only}")
            device = "cpu"
        try:
            self.trainer = trainer_class(self.workload, self.dataset, copies, device)
        except NoGpu:
            text = "it sees no GPU here; install its build for this machine's CUDA, or use --device=cpu"
            raise GpuUnseen(text) from None
        built = time.perf_counter_ns()
        if device == "gpu" and self.trainer.device_name == "cpu":
            raise TrainerError("it was asked to train on a GPU and says that it trains on the CPU")
        self._check_start()
        said = self.trainer.threads()
        if threads is not None and said is not None and said != threads:
            raise TrainerError(f"it computes with {said} threads where {threads} were asked for (--threads)")
        return {
            "parts": True,  # train_epoch can train a part of an epoch; older revisions of the suite cannot
            "contract": asdict(self.trainer.contract),
            "device": str(self.trainer.device_name),
            "cpu_only": self.trainer.cpu_only,
            "threads": {"asked": threads, "cores": usable_cores(), "framework": said},
            "versions": {name: version_of(name) for name in requires if "." not in name or name == requires[0]},
            "python": sys.version.split()[0],
            "scheduling": scheduling_policy(),
            "import_seconds": (imported - start) / 1e9,
            "build_seconds": (built - imported) / 1e9,
            "memory": self._memory(),
        }

    def take_steps(self, batches):
        """Train on one batch at a time, and return each batch's loss and the sketched update in the end.

        A trainer that is to keep its images on the device must do without the host's from here on.
        """
        if self.trainer.contract.data == "device-resident":
            self.dataset.train_images.fill(0)
            self.dataset.train_labels.fill(0)
        losses = [_as_loss(self.trainer.train_epoch(np.asarray(batch, np.int64))) for batch in batches]
        return {"losses": losses, "update": self._update()}

    def train_watched(self, batches):
        """Train on these batches at once, and return what Python has to do for it when all has been compiled.

        ``calls`` are those of Python functions and of built-in ones; ``lines`` are the lines that Python executes;
        ``seconds`` is how long it took, with nobody watching.
        """
        order = np.concatenate([np.asarray(batch, np.int64) for batch in batches])
        for _ in range(2):  # some frameworks trace the first time and compile the second
            start = time.perf_counter()
            self.trainer.train_epoch(order)
            seconds = time.perf_counter() - start

        def work():
            self.trainer.train_epoch(order)
            self.trainer.parameters()  # waits for what a trainer may still be at, in a thread of its own

        seen = watching.count_python(work)
        return dict(seen, seconds=seconds, allocator_peak_bytes=self._memory()["allocator_peak_bytes"])

    def profile(self, steps):
        """Train so many steps of an epoch, at the most a whole one, under the framework's profiler; untimed, and last.

        Returns ``device_time``, what :func:`engines.device_time.device_time` gives, or ``failed``: why there is none.
        """
        order = self.workload.order(1, len(self.dataset.train_labels))[: steps * self.workload.batch_size]
        seconds = []

        def work():
            start = time.perf_counter()
            self.trainer.train_epoch(order)
            seconds.append(time.perf_counter() - start)

        try:
            for _ in range(2):  # some frameworks trace the first time and compile the second
                work()
            activity = list(self.trainer.device_activity(work) or ())
        except Exception as error:  # a profiler that fails costs its own figure alone
            return {"failed": f"{type(error).__name__}: {error}"}
        if not activity:
            return {"failed": "the framework tells of nothing that the device did"}
        return {"device_time": device_time(activity, seconds[-1], len(self.workload.batches(order)))}

    def train_epoch(self, epoch, first=0, stop=None):
        """Train epoch ``epoch`` (the first is 1), with the clock around it and nothing else.

        :param first: the step to begin with, where only a part of the epoch is to be trained.
        :param stop: the step to stop before; None for the epoch's end. Before the end, no lag is looked for.
        """
        opened = process_usage()
        order = self.workload.order(epoch, len(self.dataset.train_labels))
        order = order[first * self.workload.batch_size : stop and stop * self.workload.batch_size]
        gc.collect()  # the garbage of what came before is not this epoch's work
        memory.reset_peak_rss()  # nor is the memory of the checks between the epochs
        before = process_usage()
        began = time.perf_counter_ns()
        loss = self.trainer.train_epoch(order)
        ended = time.perf_counter_ns()
        used = process_usage() - before
        reply = {
            "epoch": epoch,
            "seconds": (ended - began) / 1e9,
            "cpu_seconds": used.cpu_seconds,
            "involuntary_switches": used.involuntary_switches,
            "memory": self._memory(),
            "lag_seconds": self._lag(loss) if stop is None else None,
            "loss": _as_loss(loss),
            "images": len(order),
        }
        # Of all that was done here, timed or not: what the machine used beyond it was others'.
        return dict(reply, call_cpu_seconds=(process_usage() - opened).cpu_seconds)

    def examine(self):
        """Return the test accuracy and the sketched update so far; untimed."""
        return {"accuracy": _as_share(self.trainer.evaluate()), "update": self._update()}

    def _memory(self):
        said = self.trainer.memory()
        return {
            "host_peak_rss_bytes": memory.peak_rss_bytes(),
            "allocator_peak_bytes": said.get("allocator_peak_bytes"),
            "allocator_reserved_bytes": said.get("allocator_reserved_bytes"),
        }

    def _lag(self, loss):
        """Return for how long the device went on after the clock was stopped, in seconds.

        Reading the loss and the parameters waits for a device that is still at work. Reading the parameters again
        costs the same and waits for nothing, so the difference to the slower of two such reads is the wait. The first
        read's copies are held meanwhile: were they freed, the others would find their memory already mapped, and JAX
        would seem to lag by the 1 to 3 ms that its first copies' page faults take here.
        """
        times = [time.perf_counter_ns()]
        _as_loss(loss)
        first = self._checked_parameters()
        times.append(time.perf_counter_ns())
        for _ in range(2):
            self._checked_parameters()
            times.append(time.perf_counter_ns())
        del first
        waiting, *idle = np.diff(times)
        return max(0.0, float(waiting - max(idle)) / 1e9)

    def _update(self):
        arrays = self._checked_parameters()
        return [array.tolist() for array in sketch_update(arrays, self.initial)]

    def _check_start(self):
        for layer, (now, then) in enumerate(zip(self._checked_parameters(), self.initial), start=1):
            for name, given, used in zip(("weight", "bias"), then, now):
                if not np.array_equal(given, used):
                    raise TrainerError(
                        f"the trainer does not start from the parameters it was handed: layer {layer}'s {name} differs "
                        f"by up to {np.abs(given - used).max():.3g}"
                    )

    def _checked_parameters(self):
        said = self.trainer.parameters()
        try:
            layers = [tuple(np.asarray(array) for array in layer) for layer in said]
        except TypeError:
            raise TrainerError(f"parameters() gave a {type(said).__name__}, not [(weight, bias), ...]") from None
        found = [[array.shape for array in layer] for layer in layers]
        expected = [[array.shape for array in layer] for layer in self.initial]
        if found != expected:
            raise TrainerError(f"parameters() gave arrays of the shapes {found}, not {expected}")
        return layers


def _as_loss(value):
    return _as_number(value, "train_epoch()")


def _as_share(value):
    share = _as_number(value, "evaluate()")
    if not 0 <= share <= 1:
        raise TrainerError(f"evaluate() gave {share}, not a share from 0 to 1")
    return share


def _as_number(value, call):
    """Return a finite float; a lazy value, as JAX's, is waited for here, where :meth:`Host._lag` sees the wait."""
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise TrainerError(f"{call} gave a {type(value).__name__}, not a number") from None
    if not math.isfinite(number):
        raise TrainerError(f"{call} gave {number}")
    return number
