"""A trainer's start in a process that knows nothing of its framework, phase by phase.

Where a framework tells how long it traced and compiled, those are phases of their own, taken out of the steps in which
they happened; where it does not, a step is one block with them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.checked_trainer import checked_kind, copied, device_for, told_without_a_gpu
from benchmarks.frameworks import Entry
from benchmarks.frameworks.loading import kept_in, load_trainer, make_ready
from benchmarks.workload import data
from benchmarks.workload.dataset import Dataset
from benchmarks.workload.spec import Workload
from pytest_duet.errors import DuetError
from pytest_duet.sensors.clock import now_seconds

STEADY_STEPS, STEADY_TIMES = 8, 4  # in a row, and how often; the first time does not count
# What starts, by its phases in their order; each is in seconds.
PHASES = ("import", "device", "build", "trace", "compile", "first_step", "second_step")


@dataclass
class ColdStart:
    """Calling it starts a trainer and takes two steps: some frameworks trace in the first and compile in the second.

    :param device: ``"auto"``, ``"cpu"`` or ``"gpu"``.
    :ivar seconds: of what was done so far, by name:
        ``import``: of the framework and all that the trainer's file needs;
        ``device``: until one number is on the device, where the framework's products tell how that is done;
        ``build``: the trainer, its parameters on the device;
        ``trace``, ``compile``: in the two steps, by the framework's own account;
        ``first_step``, ``second_step``: without what was traced and compiled in them;
        ``second_shape``: what a first batch of another size costs beyond a second one, compilation included;
        ``step``: one of several in a row, the median, when nothing is compiled any more.
    :ivar checksums: the data set's, from before.
    :ivar reading_seconds: what reading the parameters took, right after the start.
    :ivar losses: of the epochs that were trained, mean over their images, each before its batch's update.
    :ivar elsewhere: where another interpreter did, its version, ``python``, and the ``versions`` of what it imported.
    :ivar epochs: the batches of each of them, index arrays.
    :ivar started: the parameters after so many of them, ``started_after``; ``ended`` are those in the end.
    """

    entry: Entry
    workload: Workload
    dataset: Dataset
    device: str = "auto"
    seconds: dict[str, float] = field(default_factory=dict, init=False)
    losses: list[float] = field(default_factory=list, init=False)
    elsewhere: dict[str, object] = field(default_factory=dict, init=False)
    epochs: list[list[np.ndarray]] = field(default_factory=list, init=False)

    def __post_init__(self):
        batches = self.workload.batches(self.workload.order(1, len(self.dataset.train_labels)))
        if len(batches) < 3:
            raise DuetError("a cold start takes an epoch of 3 steps or more; give a smaller --batch-size.")
        self._batches = batches
        self.checksums = self.dataset.checksums()
        self._initial = self.workload.initial_parameters()  # the trainer's own, which may train in place

    def __call__(self):
        if loaded := [name for name in self.entry.requires if name != "numpy" and name in sys.modules]:
            raise DuetError(
                f"{self.entry.name}: something that this session loads has imported {', '.join(loaded)} already, so "
                "nobody can tell what that takes."
            )
        make_ready(self.entry.requires, self.entry.variables)
        with self._timed("import"):
            its_class = load_trainer(self.entry.location)
        device = device_for(its_class, self.device)
        with told_without_a_gpu():
            with self._timed("device"):
                how = its_class.matrix_product(device, its_class.contract.precision)
                if how:
                    how[0](np.ones((1, 1), np.float32))
            if not how:
                del self.seconds["device"]
            with self._timed("build"):
                self.trainer = its_class(self.workload, replace(self.dataset), self._initial, device)
            checked_kind(self.trainer, device, self.workload.precision)
        for name, batch in zip(("first_step", "second_step"), self._batches):
            self._step(name, batch)
        return self.losses[-1]

    def go_on(self):
        """Train on, once it has started: over a batch of another size, and some steps in a row."""
        self.started_after = len(self.losses)
        began = now_seconds()
        self.started = copied(self.trainer.parameters())
        self.reading_seconds = now_seconds() - began
        size = self.workload.batch_size
        other = next((batch for batch in self._batches if len(batch) != size), self._batches[2][: max(1, size // 2)])
        first, later = self._train([other]), self._train([other])
        self.seconds["second_shape"] = max(0.0, first - later)
        steady = [batch for batch in self._batches[2:] if len(batch) == size][:STEADY_STEPS] or [other]
        times = [self._train(steady) / len(steady) for _ in range(STEADY_TIMES)]
        self.seconds["step"] = median(times[1:])
        self.ended = copied(self.trainer.parameters())

    def told(self):
        """Return what there is to tell: seconds by the metrics' names, ``import_seconds`` and so on."""
        return {f"{name}_seconds": took for name, took in self.seconds.items()}

    @property
    def start_seconds(self):
        """What the start took, all its phases."""
        return sum(self.seconds.get(name, 0.0) for name in PHASES)

    def _step(self, name, batch):
        before = self.trainer.compiling()
        took = self._train([batch])
        for phase, total in self.trainer.compiling().items():
            its = total - before.get(phase, 0.0)
            self.seconds[phase] = self.seconds.get(phase, 0.0) + its
            took -= its
        self.seconds[name] = max(0.0, took)

    def _train(self, batches):
        """Train one epoch of these batches, and return what it took, in seconds."""
        order = np.concatenate(batches)
        began = now_seconds()
        loss = self.trainer.train_epoch(order)
        took = now_seconds() - began
        self.losses.append(float(loss))
        self.epochs.append(batches)
        return took

    @contextmanager
    def _timed(self, name):
        began = now_seconds()
        yield
        self.seconds[name] = now_seconds() - began


def fill(folder, entry, workload, device, data_directory, python=sys.executable):
    """Have another process start the same, so that what it compiles is kept in the folder.

    :param python: its interpreter.
    :param data_directory: where the data are, as :func:`benchmarks.workload.data.load` knows them.
    :raises DuetError: where it fails there.
    """
    line = [python, "-m", "benchmarks.cold_start", asking_for(entry, workload, device, data_directory)]
    where = {"cwd": Path(__file__).parents[1], "env": {**os.environ, **kept_in(folder)}}
    done = subprocess.run(line, capture_output=True, text=True, **where)
    if done.returncode:
        raise DuetError(f"{entry.name}: nothing could be compiled beforehand:\n{done.stderr[-2000:]}")


def asking_for(entry, workload, device, data_directory):
    """Return a start as text, for another process."""
    asked = {"entry": asdict(entry), "workload": workload.as_dict(), "device": device, "data": data_directory}
    return json.dumps(asked)


def asked_for(text):
    """Return the :class:`ColdStart` that :func:`asking_for` gave as text; its data are loaded."""
    asked = json.loads(text)
    workload = Workload(**asked["workload"])
    return ColdStart(Entry(**asked["entry"]), workload, data.load(asked["data"], workload), asked["device"])


def main():
    start = asked_for(sys.argv[1])
    start()
    start.go_on()


if __name__ == "__main__":
    main()
