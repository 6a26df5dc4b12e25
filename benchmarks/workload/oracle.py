"""The oracle: a trainer in float64 NumPy, plain enough to be checked by eye, that every framework must agree with.

Its trajectories for the default workload are committed (``golden/``), made by ``python -m benchmarks.workload.oracle``:
one for each order that a session may draw, and one for each seed of its recipe. Any other is computed once, some 14
seconds a core and epoch, and kept in the cache under its digest.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.workload.cache import cache_directory
from benchmarks.workload.sketch import sketch_update
from pytest_duet.atomic import atomic_write

VERSION = 2  # of what is computed here and how it is written; old caches are then passed over
GOLDEN = Path(__file__).with_name("golden")


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
    parameters = as_float64(initial)
    step_losses, epoch_losses, accuracies, updates = [], [], [], []
    for epoch in range(1, workload.epochs + 1):
        order = workload.order(epoch, len(dataset.train_labels))
        batches = workload.batches(order)
        losses = train(parameters, batches, dataset, workload.learning_rate)
        epoch_losses.append(float(np.average(losses, weights=[len(batch) for batch in batches])))
        accuracies.append(accuracy(parameters, dataset))
        updates.append([array.tolist() for array in sketch_update(parameters, initial)])
        step_losses.append(losses)
        echo(f"oracle: epoch {epoch}/{workload.epochs}, loss {epoch_losses[-1]:.6f}, accuracy {accuracies[-1]:.4f}")
    return Trajectory(trajectory_key(workload, dataset), step_losses, epoch_losses, accuracies, updates)


def train(parameters, batches, dataset, learning_rate):
    """Take one SGD step a batch, in place, and return each batch's mean loss before its step."""
    losses = []
    for batch in batches:
        loss, gradients = loss_and_gradients(parameters, dataset.train_images[batch], dataset.train_labels[batch])
        for layer, layer_gradients in zip(parameters, gradients):
            for array, gradient in zip(layer, layer_gradients):
                array -= learning_rate * gradient
        losses.append(float(loss))
    return losses


def loss_and_gradients(parameters, images, labels):
    """Return the batch's mean softmax cross-entropy and its gradients, shaped like ``parameters``.

    :param parameters: ``[(weight, bias), ...]``, shapes ``(n_in, n_out)`` and ``(n_out,)``.
    :param images: shape ``(batch, n_in)``.
    :param labels: integers, shape ``(batch,)``.
    """
    activations = _activations(parameters, images)
    answers = activations.pop()
    log_probabilities = answers - _logsumexp(answers)
    rows = np.arange(len(labels))
    loss = -log_probabilities[rows, labels].mean()

    delta = np.exp(log_probabilities)
    delta[rows, labels] -= 1
    delta /= len(labels)
    gradients = []
    for (weight, _), inputs in zip(reversed(parameters), reversed(activations)):
        gradients.append((inputs.T @ delta, delta.sum(axis=0)))
        if inputs is not activations[0]:
            delta = (delta @ weight.T) * (1 - inputs**2)  # tanh' = 1 - tanh²
    return loss, gradients[::-1]


def accuracy(parameters, dataset):
    """Return the share of the test images that the network classifies right, 0 to 1."""
    answers = logits(parameters, dataset.test_images)
    return float((answers.argmax(axis=1) == dataset.test_labels).mean())


def logits(parameters, images):
    """Return what the network answers, ``(n, 10)``, in the precision of its parameters."""
    return _activations(parameters, images)[-1]


def as_float64(parameters):
    """Return a float64 copy of ``[(weight, bias), ...]``."""
    return [tuple(array.astype(np.float64) for array in layer) for layer in parameters]


def _activations(parameters, images):
    """Return the inputs of every layer, and the logits last."""
    activations = [images.astype(parameters[0][0].dtype)]
    for weight, bias in parameters[:-1]:
        activations.append(np.tanh(activations[-1] @ weight + bias))
    weight, bias = parameters[-1]
    return [*activations, activations[-1] @ weight + bias]


def _logsumexp(answers):
    top = answers.max(axis=1, keepdims=True)
    return top + np.log(np.exp(answers - top).sum(axis=1, keepdims=True))


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
