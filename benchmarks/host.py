"""Hosts one trainer in a worker: builds it, times its epochs, has it account for itself.

What its calls answer with can cross the worker's pipe as JSON.
"""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import asdict

import numpy as np

from benchmarks.checked_trainer import (
    as_loss,
    as_share,
    checked_class,
    checked_parameters,
    checked_start,
    copied,
    device_for,
    told_without_a_gpu,
)
from benchmarks.framework_calls import FrameworkCalls
from benchmarks.frameworks.engines.nvidia import device_time
from benchmarks.frameworks.loading import forget_programs, installed_versions, make_ready, versions_of
from benchmarks.workload import data, handed_over
from benchmarks.workload.spec import Workload
from pytest_duet.sensors import memory, python_calls
from pytest_duet.sensors.clock import now_seconds
from pytest_duet.sensors.cpu import process_usage, scheduling_policy, usable_cores
from pytest_duet.sensors.cuda_wait import CudaWait
from pytest_duet.workers.protocol import Examined, Opened, Reading, Subject, SubjectError, Sustained, Timed

COMPILED = 2  # the epoch before which all has been compiled
TIMED = 3  # epochs of a few steps: the quickest tells what a step takes


class TrainerHost(FrameworkCalls, Subject):
    """One trainer and what is measured around it; made by :meth:`open`. A round is an epoch, its work the images."""

    def open(self, location, requires, workload, data_directory, device, variables=(), threads=None):
        """Import the framework, build the trainer from the workload's own start, and say what came of it.

        :param location: as in :class:`benchmarks.frameworks.Entry`, as are ``requires`` and ``variables``.
        :param workload: what :meth:`Workload.as_dict` gave.
        :param data_directory: where the data are, as :func:`benchmarks.workload.data.load` knows them.
        :param threads: how many the trainer must compute with, if it can tell; None for any number.
        :raises NotInstalled: where one of ``requires`` is missing here.
        :raises WrongHardware: where the trainer can never run on this machine.
        """
        make_ready(requires, variables)
        if not self._programs:
            forget_programs()
        self.workload = Workload(**workload)
        self.dataset = data.load(data_directory, self.workload)
        self.order_of, self.order = None, None
        self._cuda = CudaWait()
        installed = installed_versions(requires)
        start = now_seconds()
        trainer_class = self._load(location)
        imported = now_seconds()
        self.initial = self.workload.initial_parameters()
        checked_class(trainer_class)
        device = device_for(trainer_class, device)
        with told_without_a_gpu():
            self.trainer = trainer_class(self.workload, self.dataset, copied(self.initial), device)
        built = now_seconds()
        gc.collect()
        gc.freeze()  # what importing left behind stays: to look through it again before each epoch took PyTorch 0.1 s
        checked_start(self.trainer, self.initial, device, self.workload.precision)
        said = self.trainer.threads()
        if threads is not None and said is not None and said != threads:
            raise SubjectError(f"it computes with {said} threads where {threads} were asked for (--threads)")
        return Opened(
            device=str(self.trainer.device_name),
            versions=versions_of(requires, installed),
            python=sys.version.split()[0],
            scheduling=scheduling_policy(),
            threads={"asked": threads, "cores": usable_cores(), "framework": said},
            import_seconds=imported - start,
            build_seconds=built - imported,
            memory=self._memory(),
            declared={
                "contract": asdict(self.trainer.contract),
                "cpu_only": self.trainer.cpu_only,
                "compiling_allocates": self.trainer.compiling_allocates,
            },
        )

    def take_steps(self, batches, folder):
        """Train on one batch at a time, and return each batch's loss; the parameters in the end go into the folder.

        A trainer that is to keep its images on the device must do without the host's from here on.
        """
        if self.trainer.contract.data == "device-resident":
            self.dataset.train_images.fill(0)
            self.dataset.train_labels.fill(0)
        losses = [as_loss(self.trainer.train_epoch(np.asarray(batch, np.int64))) for batch in batches]
        handed_over.write(self._parameters(), folder)
        return {"losses": losses}

    def train_watched(self, batches):
        """Train on these batches at once, and return what Python has to do for it when all has been compiled.

        ``calls`` are those of Python functions and of built-in ones; ``lines`` are the lines that Python executes;
        ``seconds`` is how long it took, with nobody watching.
        """
        order = np.concatenate([np.asarray(batch, np.int64) for batch in batches])
        took = []
        for _ in range(2 + TIMED):  # some frameworks trace the first time and compile the second
            start = now_seconds()
            self.trainer.train_epoch(order)
            took.append(now_seconds() - start)
        seconds = min(took[2:])

        def work():
            self.trainer.train_epoch(order)
            self.trainer.parameters()  # waits for what a trainer may still be at, in a thread of its own

        seen = python_calls.count_python(work)
        return dict(seen, seconds=seconds, allocator_peak_bytes=self._memory().allocator_peak_bytes)

    def count_work(self, batches):
        """Train on these batches at once, and return what :meth:`Trainer.count_work` counts meanwhile."""
        order = np.concatenate([np.asarray(batch, np.int64) for batch in batches])
        return self.trainer.count_work(lambda: self.trainer.train_epoch(order))

    def profile(self, steps):
        """Train so many steps of an epoch, at the most a whole one, under the framework's profiler; untimed, and last.

        Returns ``device_time``, what :func:`device_time` gives, or ``failed``: why there is none.
        """
        order = self.workload.order(1, len(self.dataset.train_labels))[: steps * self.workload.batch_size]
        seconds = []

        def work():
            start = now_seconds()
            self.trainer.train_epoch(order)
            seconds.append(now_seconds() - start)

        try:
            for _ in range(2):  # some frameworks trace the first time and compile the second
                work()
            activity = list(self.trainer.device_activity(work) or ())
        except Exception as error:  # a profiler that fails costs its own figure alone
            return {"failed": f"{type(error).__name__}: {error}"}
        if not activity:
            return {"failed": "the framework tells of nothing that the device did"}
        return {"device_time": device_time(activity, seconds[-1], len(self.workload.batches(order)))}

    def trace(self, steps, folder):
        """Train so many steps of an epoch under the framework's tracer; untimed, and last. Return the files it left.

        :param folder: whose folder ``trace``, made here, has them.
        """
        order = self.workload.order(1, len(self.dataset.train_labels))[: steps * self.workload.batch_size]
        for _ in range(2):  # some frameworks trace the first time and compile the second
            self.trainer.train_epoch(order)
        place = os.path.join(folder, "trace")
        os.mkdir(place)
        self.trainer.trace(lambda: self.trainer.train_epoch(order), place)
        return {"files": sorted(name for _, _, names in os.walk(place) for name in names)}

    def round(self, number, first=0, stop=None):
        """Train epoch ``number``, or a part of it; the lag is looked for at the epoch's end alone."""
        if self.order_of != number:  # drawn once for all parts of an epoch: they are many where two sides take turns
            self.order_of, self.order = number, self.workload.order(number, len(self.dataset.train_labels))
        order = self.order[first * self.workload.batch_size : stop and stop * self.workload.batch_size]
        if first == 0:
            gc.collect()  # the garbage of what came before is not this epoch's work
            if number == COMPILED:  # as at the start: to look through what Inductor leaves behind took 0.1 s each time
                gc.freeze()
        memory.reset_peak_rss()  # nor is the memory of the checks between the epochs
        before = process_usage()
        began = now_seconds()
        loss = self.trainer.train_epoch(order)
        ended = now_seconds()
        driver_lag = self._cuda.seconds() if stop is None else None  # before anything else waits for the device
        used = process_usage() - before
        reading = self._memory()
        lag = self._lag(loss) if stop is None else None
        return Timed(
            number=number,
            seconds=ended - began,
            cpu_seconds=used.cpu_seconds,
            involuntary_switches=used.involuntary_switches,
            lag_seconds=lag,
            driver_lag_seconds=driver_lag,
            memory=reading,
            metrics={"loss": as_loss(loss)},
            work=len(order),
        )

    def examine(self, folder, last):
        """Hand the parameters over; after the last round, evaluate as well: what comes after it, no epoch gains by."""
        handed_over.write(self._parameters(), folder)
        return Examined({"own_accuracy": as_share(self.trainer.evaluate())} if last else {})

    def sustain(self, seconds):
        """Train epochs in the last one's order; nobody asks any more where that leads to."""
        epochs, began = 0, now_seconds()
        while epochs == 0 or now_seconds() < began + seconds:
            self.trainer.train_epoch(self.order)
            epochs += 1
        return Sustained(epochs, now_seconds() - began)

    def _memory(self):
        said = self.trainer.memory()
        allocator = {name: said.get(name) for name in ("allocator_peak_bytes", "allocator_reserved_bytes")}
        return Reading(memory.peak_rss_bytes(), **allocator)

    def _lag(self, loss):
        """Return for how long the device went on after the clock was stopped, in seconds.

        Reading the loss and the parameters waits for a device that is still at work. Reading the parameters again
        costs the same and waits for nothing, so the difference to the slower of two such reads is the wait. The first
        read's copies are held meanwhile: were they freed, the others would find their memory already mapped, and JAX
        would seem to lag by the 1 to 3 ms that its first copies' page faults take here.
        """
        times = [now_seconds()]
        as_loss(loss)
        first = self._parameters()
        times.append(now_seconds())
        for _ in range(2):
            self._parameters()
            times.append(now_seconds())
        del first
        waiting, *idle = np.diff(times)
        return max(0.0, float(waiting - max(idle)))

    def _parameters(self):
        return checked_parameters(self.trainer, self.initial)
