"""Ways to bring an epoch's batches to a model, each as its framework's users have it; importing this imports none.

A pipeline is a function of the data set and the batch's size. It returns what makes of an order of images an iterable
of ``(images, labels)``, in whatever kind of array its framework trains with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from benchmarks.checked_trainer import device_for, told_without_a_gpu
from benchmarks.frameworks import REGISTRY, Entry
from benchmarks.frameworks.loading import load_trainer, make_ready
from benchmarks.workload.dataset import Dataset
from benchmarks.workload.spec import Workload
from pytest_duet.errors import DuetError
from pytest_duet.sensors.clock import now_seconds


class PipelineError(DuetError):
    """A pipeline that brings something else than it was asked for."""


@dataclass(frozen=True)
class Pipeline:
    """A pipeline, told without importing its framework.

    :param make: the function; its framework is imported when it is called.
    :param trainer: the entry whose trainer takes what it brings.
    :param step: of such a trainer, makes what takes one step over a batch.
    :param computes: whether it computes on the model's device: then a wait for its next batch is one for the model's
        last step as well, and tells nothing.
    :param requires: the modules that it needs beside its trainer's.
    """

    name: str
    make: Callable
    trainer: str
    step: Callable
    computes: bool = False
    requires: tuple = ()

    @property
    def entry(self) -> Entry:
        its = REGISTRY[self.trainer]
        return replace(its, requires=(*its.requires, *self.requires))


def numpy_arrays(dataset, size):
    return partial(gathered, dataset.train_images, dataset.train_labels, size)


def jax_resident(dataset, size):
    """All images live on the device, where each batch is gathered."""
    import jax.numpy as jnp

    return partial(gathered, jnp.asarray(dataset.train_images), jnp.asarray(dataset.train_labels), size)


def gathered(images, labels, size, order):
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        yield images[batch], labels[batch]


def grain_samples(dataset, size):
    """Image by image, put together by Grain, whose threads are some batches ahead."""
    import grain

    def sample(index):
        return dataset.train_images[index], dataset.train_labels[index]

    return lambda order: grain.MapDataset.source(order).map(sample).batch(size).to_iter_dataset()


def torch_loader(dataset, size, workers=0):
    """Whole batches, cut by one indexing each: with batch_size=None, what the sampler gives is a batch."""
    import torch
    from torch.utils.data import DataLoader

    kept = torch_dataset(dataset)
    return lambda order: DataLoader(
        kept, sampler=torch.from_numpy(order).split(size), batch_size=None, num_workers=workers
    )


def torch_samples(dataset, size, workers=0):
    """Image by image, put together by DataLoader's default: as most tutorials have it."""
    from torch.utils.data import DataLoader

    kept = torch_dataset(dataset)
    return lambda order: DataLoader(kept, sampler=order.tolist(), batch_size=size, num_workers=workers)


def torch_dataset(dataset):
    import torch
    from torch.utils.data import TensorDataset

    return TensorDataset(torch.from_numpy(dataset.train_images), torch.from_numpy(dataset.train_labels).long())


def tf_data(dataset, size):
    from benchmarks.frameworks.tensorflow import host_fed, train_tensors

    return partial(host_fed, train_tensors(dataset, "CPU:0"), batch_size=size)


def jax_step(trainer):
    import jax.numpy as jnp

    loss = jnp.zeros(())

    def step(images, labels):
        nonlocal loss
        loss = trainer.step(loss, images, labels)

    return step


def torch_step(trainer):
    return lambda images, labels: trainer.step(trainer.placed(images), trainer.placed(labels))


def tensorflow_step(trainer):
    return trainer.step


PIPELINES = {
    pipeline.name: pipeline
    for pipeline in (
        Pipeline("numpy-arrays", numpy_arrays, "jax", jax_step),
        Pipeline("jax-resident", jax_resident, "jax", jax_step, computes=True),
        Pipeline("grain-samples", grain_samples, "jax", jax_step, requires=("grain",)),
        Pipeline("torch-loader", torch_loader, "torch", torch_step),
        Pipeline("torch-loader-1", partial(torch_loader, workers=1), "torch", torch_step),
        Pipeline("torch-loader-2", partial(torch_loader, workers=2), "torch", torch_step),
        Pipeline("torch-samples", torch_samples, "torch", torch_step),
        Pipeline("torch-samples-2", partial(torch_samples, workers=2), "torch", torch_step),
        Pipeline("tf-data", tf_data, "tensorflow", tensorflow_step),
    )
}
# Whose entries have them measured: Keras on TensorFlow is fed by tf.data as well.
ALSO = {"keras": "tensorflow"}


def pipelines_of(entries):
    """Return the names of the pipelines that feed some of these entries."""
    fed = {*entries, *(ALSO[name] for name in entries if name in ALSO)}
    return [name for name, pipeline in PIPELINES.items() if pipeline.trainer in fed]


@dataclass
class Feeding:
    """A pipeline at work: proven, alone, and before a model.

    :param device: ``"auto"``, ``"cpu"`` or ``"gpu"``, of the model.
    """

    pipeline: Pipeline
    workload: Workload
    dataset: Dataset
    device: str = "auto"

    def __post_init__(self):
        make_ready(self.pipeline.entry.requires, self.pipeline.entry.variables)
        self.order = self.workload.order(1, len(self.dataset.train_labels))
        self._made = self.pipeline.make(self.dataset, self.workload.batch_size)

    def batches(self):
        return self._made(self.order)

    def check(self):
        """Hold an epoch of it against the order that was asked for.

        :raises PipelineError: naming the first batch that is another, or how many there are.
        """
        asked, number = self.workload.batches(self.order), 0
        for number, (images, labels) in enumerate(self.batches(), start=1):
            if number > len(asked):
                break
            batch = asked[number - 1]
            right = self.dataset.train_images[batch], self.dataset.train_labels[batch]
            if not all(np.array_equal(np.asarray(found), each) for found, each in zip((images, labels), right)):
                raise PipelineError(f"{self.pipeline.name}: batch {number} is not what was asked for.")
        if number != len(asked):
            raise PipelineError(f"{self.pipeline.name}: {number} batches or more, where {len(asked)} were asked for.")

    def empty(self):
        """Take an epoch's batches, and do nothing with them; what they hold has to be there."""
        for images, _ in self.batches():
            wait = getattr(images, "block_until_ready", None)  # JAX's may still be on their way
            if wait:
                wait()

    def train(self):
        """Train an epoch by them, and return for which share of it the model waited for its next batch."""
        step, finish = self._model()
        step(*next(iter(self.batches())))  # what is compiled is no epoch's
        finish()
        waited, began = 0.0, now_seconds()
        batches = iter(self.batches())
        while True:
            asked = now_seconds()
            batch = next(batches, None)
            waited += now_seconds() - asked
            if batch is None:
                break
            step(*batch)
        finish()
        return waited / (now_seconds() - began)

    def _model(self):
        """Return what takes a training step over a batch, and what waits until all of them are taken."""
        its_class = load_trainer(self.pipeline.entry.location)
        device, parameters = device_for(its_class, self.device), self.workload.initial_parameters()
        with told_without_a_gpu():
            trainer = its_class(self.workload, replace(self.dataset), parameters, device)
        return self.pipeline.step(trainer), trainer.parameters
