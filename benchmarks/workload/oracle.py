"""The oracle: a trainer in float64 NumPy that every framework must agree with. Its gradients are autograd's.

Its trajectories for the default workload are committed (``golden/``), made by ``python -m benchmarks.workload.oracle``:
one for each order that a session may draw, and one for each seed of its recipe. Any other is computed once, some 14
seconds a core and epoch, and kept in the cache under its digest.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from autograd import value_and_grad

from benchmarks.workload import forward
from benchmarks.workload.cache import cache_directory
from benchmarks.workload.optimizers import OPTIMIZERS
from benchmarks.workload.sketch import sketch_update
from pytest_duet.atomic import atomic_write

VERSION = 2  # of what is computed here and how it is written; old caches are then passed over
GOLDEN = Path(__file__).with_name("golden")
TESTED_AT_ONCE = 1000  # images: a convolution holds each of them many times over


@dataclass(frozen=True)
class Trajectory:
    """What training must look like, epoch by epoch.

    :param key: which workload on which data, see :func:`trajectory_key`.
    :param step_losses: mean loss of each batch of each epoch, before its update.
    :param epoch_losses: mean loss over the images of each epoch, each taken before its batch's update.
    :param accuracies: share of the test images classified right after each epoch, 0 to 1.
    :param updates: after each epoch, the sketches (:mod:`benchmarks.workload.sketch`) of parameters - initial.
    """

    key: str
    step_losses: list
    epoch_losses: list
    accuracies: list
    updates: list


def trajectory(workload, dataset, echo=lambda text: None):
    """Return the :class:`Trajectory` of a workload, from the golden file, else the cache, else computed and cached."""
    key = trajectory_key(workload, dataset)
    cached = cache_directory() / "oracle" / f"{key}.json"
    for path in (GOLDEN / f"{key}.json", cached):
        found = _read(path, key)
        if found is not None and len(found.epoch_losses) >= workload.epochs:
            return found
    echo(f"oracle: training this workload once in float64 NumPy ({workload.epochs} epochs); kept in {cached}")
    found = compute(workload, dataset, echo)
    cached.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(cached, _as_bytes(found))
    return found


def trajectory_key(workload, dataset):
    """Return the name that one workload's path over one data set goes by."""
    return f"v{VERSION}-{workload.digest()[:16]}-{dataset.digest[:16]}"


def compute(workload, dataset, echo=lambda text: None):
    """Train the workload in float64 and return its :class:`Trajectory`."""
    initial = workload.initial_parameters()
    training = Training(workload, as_float64(initial))
    step_losses, epoch_losses, accuracies, updates = [], [], [], []
    for epoch in range(1, workload.epochs + 1):
        order = workload.order(epoch, len(dataset.train_labels))
        batches = workload.batches(order)
        losses = training.train(batches, dataset)
        epoch_losses.append(float(np.average(losses, weights=[len(batch) for batch in batches])))
        accuracies.append(accuracy(workload, training.parameters, dataset))
        updates.append([array.tolist() for array in sketch_update(training.parameters, initial)])
        step_losses.append(losses)
        echo(f"oracle: epoch {epoch}/{workload.epochs}, loss {epoch_losses[-1]:.6f}, accuracy {accuracies[-1]:.4f}")
    return Trajectory(trajectory_key(workload, dataset), step_losses, epoch_losses, accuracies, updates)


class Training:
    """A network on its way.

    :param parameters: ``[(weight, bias), ...]``, in whose precision it is trained, in place.
    """

    def __init__(self, workload, parameters):
        self.workload, self.parameters = workload, parameters
        self._optimizer = OPTIMIZERS[workload.optimizer](workload, [array for layer in parameters for array in layer])

    def train(self, batches, dataset):
        """Take one step a batch, and return each batch's mean loss before its step."""
        losses = []
        for batch in batches:
            images, labels = dataset.train_images[batch], dataset.train_labels[batch]
            loss, gradients = loss_and_gradients(self.workload, self.parameters, images, labels)
            self._optimizer.step([gradient for layer in gradients for gradient in layer])
            losses.append(float(loss))
        return losses


def loss_and_gradients(workload, parameters, images, labels):
    """Return the batch's mean loss and its gradients, shaped like ``parameters``.

    The network's forward pass stands in :mod:`benchmarks.workload.forward`; autograd derives the gradients from it.

    :param parameters: ``[(weight, bias), ...]``, as the workload shapes them.
    :param images: shape ``(batch, n_in)``.
    :param labels: integers, shape ``(batch,)``.
    """
    gradients = [[None] * len(layer) for layer in parameters]

    def loss(nothing):
        watch = [
            tuple(
                forward.watched(nothing, array, partial(its.__setitem__, number)) for number, array in enumerate(layer)
            )
            for layer, its in zip(parameters, gradients)
        ]
        return forward.LOSSES[workload.loss](logits(workload, watch, images), labels)

    value, _ = value_and_grad(loss)(0.0)
    return value, [tuple(its) for its in gradients]


def accuracy(workload, parameters, dataset):
    """Return the share of the test images that the network classifies right, 0 to 1."""
    images, labels = dataset.test_images, dataset.test_labels
    parts = [slice(start, start + TESTED_AT_ONCE) for start in range(0, len(labels), TESTED_AT_ONCE)]
    found = [logits(workload, parameters, images[part]).argmax(axis=1) for part in parts]
    return float((np.concatenate(found) == labels).mean())


def logits(workload, parameters, images):
    """Return what the network answers, ``(n, 10)``, in the precision of its parameters."""
    images = images.astype(parameters[0][0].dtype)
    return forward.FORWARD[workload.network](parameters, images, forward.ACTIVATIONS[workload.activation])


def as_float64(parameters):
    """Return a float64 copy of ``[(weight, bias), ...]``."""
    return [tuple(array.astype(np.float64) for array in layer) for layer in parameters]


def _read(path, key):
    """Return the trajectory in a file; None where there is none, or only half of one."""
    try:
        found = Trajectory(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.key == key else None


def _as_bytes(found):
    """Write epochs' losses to 12 digits, steps' to 8, sketches to 7: beyond the tolerances, and the file is small."""
    plain = asdict(found)
    for name, digits in (("step_losses", 8), ("epoch_losses", 12), ("updates", 7)):
        plain[name] = _round(plain[name], digits)
    return json.dumps(plain, separators=(",", ":")).encode() + b"\n"


def _round(values, digits):
    if isinstance(values, list):
        return [_round(value, digits) for value in values]
    return float(f"{values:.{digits}g}")


def main():
    from benchmarks.workload import mnist
    from benchmarks.workload.recipe import workloads_of
    from benchmarks.workload.spec import DRAWS, Workload

    dataset = mnist.load(mnist.find())
    for workload in (*(Workload(draw=draw) for draw in range(DRAWS)), *workloads_of(Workload())):
        if (GOLDEN / f"{trajectory_key(workload, dataset)}.json").exists():
            continue
        found = compute(workload, dataset, echo=print)
        GOLDEN.mkdir(exist_ok=True)
        atomic_write(GOLDEN / f"{found.key}.json", _as_bytes(found))
        print(f"wrote {GOLDEN / found.key}.json")


if __name__ == "__main__":
    main()
