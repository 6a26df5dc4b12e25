"""The workload: which network is trained, on what, from which start and in which order.

Everything random is drawn here, once, by NumPy's legacy generator, whose stream NumPy promises never to change. So a
worker under another interpreter and another NumPy trains from the same parameters, over the same order of images.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields

import numpy as np

from benchmarks.workload.dataset import CLASSES, IMAGE_SIZE
from pytest_duet.errors import DuetError

FLOAT_BYTES = 4
_PARAMETERS, _ORDER = 0, 1  # two independent random streams of one seed
DRAWS = 4  # of the orders that a session draws one of: the oracle's way along each is committed, for MNIST


@dataclass(frozen=True)
class Workload:
    """A multilayer perceptron with tanh between its layers, softmax cross-entropy on top and plain SGD below.

    The defaults are those of the original experiment, which the suite began with.

    :param dataset: ``"mnist"`` or ``"synthetic"``.
    :param layer_sizes: units of every layer, input and output included.
    :param learning_rate: SGD's step; the gradient is that of the batch's mean loss.
    :param batch_size: images a step; the last step of an epoch takes what is left (MNIST: 96 of 128).
    :param epochs: passes over the training images; the first is reported alone, the others are the rounds.
    :param init_scale: standard deviation of the initial weights and biases, all drawn from N(0, init_scale²).
    :param seed: of the initial parameters and of the batch orders.
    :param steps: of an epoch, the first ones of its order; None for all of them.
    :param draw: which of the :data:`DRAWS` orders of a seed it is. It is no part of what is measured: a session draws
        it, so that no trainer knows from an earlier one what it will train.
    :raises DuetError: naming the option, for a value that no epoch can be trained with.
    """

    dataset: str = "mnist"
    layer_sizes: tuple = (IMAGE_SIZE, 1024, 1024, CLASSES)
    learning_rate: float = 0.001
    batch_size: int = 128
    epochs: int = 6
    init_scale: float = 0.1
    seed: int = 0
    steps: int | None = None
    draw: int = 0

    def __post_init__(self):
        object.__setattr__(self, "layer_sizes", tuple(self.layer_sizes))
        sizes = self.layer_sizes
        if len(sizes) < 2 or sizes[0] != IMAGE_SIZE or sizes[-1] != CLASSES or min(sizes) < 1:
            shown = ",".join(map(str, sizes))
            raise DuetError(
                f"--layer-sizes={shown}: give positive sizes from {IMAGE_SIZE} (the pixels of an image) to "
                f"{CLASSES} (the classes), for example {IMAGE_SIZE},512,{CLASSES}."
            )
        if self.epochs < 2:
            raise DuetError(f"--epochs={self.epochs}: give 2 or more; the first is warm-up, the others are timed.")
        if self.batch_size < 1:
            raise DuetError(f"--batch-size={self.batch_size}: give 1 or more images a step.")
        if self.steps is not None and self.steps < 1:
            raise DuetError(f"--steps={self.steps}: give 1 or more steps an epoch.")
        if not 0 <= self.seed < 2**32:
            raise DuetError(f"--seed={self.seed}: NumPy takes seeds from 0 to 4294967295.")
        if not 0 <= self.draw < DRAWS:
            raise DuetError(f"--draw={self.draw}: give 0 to {DRAWS - 1}, or leave it to the session.")
        for name in ("learning_rate", "init_scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise DuetError(f"--{name.replace('_', '-')}={value}: give a finite number above 0.")

    def initial_parameters(self):
        """Return ``[(weight, bias), ...]``, layer by layer: float32, shapes ``(n_in, n_out)`` and ``(n_out,)``."""
        random = np.random.RandomState([self.seed, _PARAMETERS])
        return [
            (self._draw(random, n_in, n_out), self._draw(random, n_out))
            for n_in, n_out in zip(self.layer_sizes[:-1], self.layer_sizes[1:])
        ]

    def order(self, epoch, images):
        """Return epoch ``epoch``'s order (the first is 1): int64, a permutation of the indices of ``images`` images.

        Batch ``i`` of the epoch is ``order[i * batch_size : (i + 1) * batch_size]``. With ``steps``, the permutation's
        beginning.
        """
        drawn = [self.draw] if self.draw else []
        order = np.random.RandomState([self.seed, _ORDER, epoch, *drawn]).permutation(images).astype(np.int64)
        return order[: self.images_per_epoch(images)]

    def images_per_epoch(self, images):
        """Return how many of a data set's images an epoch trains on: all of them, but for ``steps``."""
        return images if self.steps is None else min(images, self.steps * self.batch_size)

    def steps_per_epoch(self, images):
        """Return how many steps an epoch over a data set of ``images`` images has, the ragged last one included."""
        return math.ceil(self.images_per_epoch(images) / self.batch_size)

    def full_steps_per_epoch(self, images):
        """Return how many of those steps have a whole batch."""
        return self.images_per_epoch(images) // self.batch_size

    def batches(self, order):
        """Cut an order into the index arrays of its batches, the ragged last one included."""
        return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]

    @property
    def n_parameters(self):
        """How many numbers are trained (1,863,690 by default)."""
        return sum((n_in + 1) * n_out for n_in, n_out in zip(self.layer_sizes[:-1], self.layer_sizes[1:]))

    def flops_per_epoch(self, images):
        """Return the floating-point operations that an epoch over ``images`` images cannot do without.

        A layer from n to m units costs 2·n·m operations an image (one multiplication, one addition) in each of the
        forward product, the weight gradient and the input gradient; the first layer has no use for its input
        gradient. The terms that grow with the units alone (bias, tanh, softmax) and the update are left out, as is
        usual; the update, 2 operations a parameter and step, is 0.3 % by default.
        60,000 images of the default network: 573.8 GFLOP.
        """
        products = [n_in * n_out for n_in, n_out in zip(self.layer_sizes[:-1], self.layer_sizes[1:])]
        return 2 * images * (2 * sum(products) + sum(products[1:]))

    def bytes_per_epoch(self, images):
        """Return the bytes that an epoch must move at the least, in float32.

        Each step reads every parameter once and writes it once; each image and its label (an int32) is read once.
        Activations and gradients are left out: a perfect implementation keeps them in cache.
        """
        steps = math.ceil(images / self.batch_size)
        parameters = 2 * self.n_parameters * FLOAT_BYTES * steps
        return parameters + images * (self.layer_sizes[0] * FLOAT_BYTES + 4)

    def label(self):
        """Return what sets this workload apart from the default one: ``"batch_size=256,seed=1"``; ``""`` if nothing.

        It becomes part of the benchmark's name, so that pytest-benchmark, which compares by name alone, never
        compares two workloads.
        """
        changed = [f for f in fields(self) if f.name != "draw" and getattr(self, f.name) != f.default]
        return ",".join(f"{f.name}={_spell(getattr(self, f.name))}" for f in changed)

    def as_dict(self):
        """Return the parameters as JSON knows them; ``Workload(**that)`` gives the workload back."""
        return dict(asdict(self), layer_sizes=list(self.layer_sizes))

    def described(self):
        """Return what is compared of them: all but the draw."""
        return {name: value for name, value in self.as_dict().items() if name != "draw"}

    def digest(self):
        """Return a SHA-256 (hexadecimal) of everything that decides the training's path, whatever its length.

        The number of epochs is left out: a shorter training is the beginning of a longer one.
        """
        path = {name: value for name, value in self.described().items() if name != "epochs" and value is not None}
        path.update({"draw": self.draw} if self.draw else {})
        return hashlib.sha256(json.dumps(path, sort_keys=True).encode()).hexdigest()

    def _draw(self, random, *shape):
        return (self.init_scale * random.standard_normal(shape)).astype(np.float32)


def _spell(value):
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
