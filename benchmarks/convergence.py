"""Time to accuracy: from nothing to a network that is good enough, seed by seed, and nothing of it untimed.

The call imports the framework and trains from one seed after the other: each builds its trainer, trains and evaluates
epoch by epoch until its test accuracy is the target, and hands its parameters over. Several seeds, for how long a
network takes depends on its start, as MLPerf's training rules have it; unlike there, what is compiled counts.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.checked_trainer import (
    as_loss,
    as_share,
    checked_kind,
    checked_parameters,
    copied,
    device_for,
    told_without_a_gpu,
)
from benchmarks.frameworks import Entry
from benchmarks.frameworks.loading import load_trainer, make_ready
from benchmarks.frameworks.trainer import Trainer
from benchmarks.workload.dataset import Dataset
from benchmarks.workload.recipe import TARGET
from benchmarks.workload.spec import Workload
from pytest_duet.sensors.clock import now_seconds


@dataclass(frozen=True)
class SeedRun:
    """How far one seed got.

    :param losses: of its epochs, mean over their images, each before its batch's update.
    :param accuracies: after each of them, by the trainer's own account, 0 to 1.
    :param parameters: in the end, ``[(weight, bias), ...]``.
    :param seconds: from its start until they were handed over.
    """

    losses: list[float]
    accuracies: list[float]
    parameters: list
    seconds: float


@dataclass
class Convergence:
    """Calling it trains from every seed, each until it has the accuracy, or has trained all its workload's epochs.

    :param workloads: one for each seed.
    :param target: the test accuracy that is wanted, 0 to 1.
    :param device: ``"auto"``, ``"cpu"`` or ``"gpu"``.
    :ivar checksums: the data set's, from before.
    :ivar runs: :class:`SeedRun`, one for each seed.
    """

    entry: Entry
    workloads: list[Workload]
    dataset: Dataset
    target: float = TARGET
    device: str = "auto"
    runs: list[SeedRun] = field(default_factory=list, init=False)

    def __post_init__(self):
        self.checksums = self.dataset.checksums()
        self._starts = [workload.initial_parameters() for workload in self.workloads]
        images = len(self.dataset.train_labels)
        self._orders = [
            [workload.order(epoch, images) for epoch in range(1, workload.epochs + 1)] for workload in self.workloads
        ]

    def __call__(self):
        make_ready(self.entry.requires, self.entry.variables)
        self._class = load_trainer(self.entry.location)
        device = device_for(self._class, self.device)
        with told_without_a_gpu():
            self.runs = [self._train(device, *each) for each in zip(self.workloads, self._starts, self._orders)]

    def _train(self, device, workload, start, orders):
        began = now_seconds()
        trainer = self._class(workload, replace(self.dataset), start, device)
        checked_kind(trainer, device, workload.precision)
        losses, accuracies = [], []
        for order in orders:
            losses.append(as_loss(trainer.train_epoch(order)))
            accuracies.append(as_share(trainer.evaluate()))
            if accuracies[-1] >= self.target:
                break
        parameters = copied(checked_parameters(trainer, start))
        return SeedRun(losses, accuracies, parameters, now_seconds() - began)

    def reached(self):
        """Return what each seed took, in seconds; infinite where it did not get there."""
        return [run.seconds if run.accuracies[-1] >= self.target else float("inf") for run in self.runs]

    def source(self):
        """Return the trainer's own code, by its files' names: what was timed can be read beside its time."""
        classes = self._class.__mro__[: self._class.__mro__.index(Trainer)]
        files = {Path(inspect.getsourcefile(each) or "") for each in classes}
        return {file.name: file.read_text() for file in sorted(files)}
