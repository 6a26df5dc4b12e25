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
from benchmarks.workload.networks import ACTIVATIONS, BITS, LOSSES, NETWORKS, OPTIMIZERS
from pytest_duet.errors import DuetError

FLOAT_BYTES = 4
_PARAMETERS, _ORDER = 0, 1  # two independent random streams of one seed
KNOWN = {
    "network": NETWORKS,
    "activation": ACTIVATIONS,
    "optimizer": OPTIMIZERS,
    "loss": LOSSES,
    "precision": BITS,
}
PUBLIC = ("mnist", "synthetic")
DRAWS = 4  # of the orders that a session draws one of: the oracle's way along each is committed, for MNIST


# At ten times this rate Adam amplifies rounding: in the second epoch of MNIST, honest trainers' losses were 1e-4 apart.
BY_ADAM = {"learning_rate": 0.0001, "epochs": 3}

# Of a workload that is trained otherwise than all were once: left out where they are as ever, so that saved runs, the
# oracle's files and older revisions of the suite know it by the same words.
LATER = ("network", "activation", "optimizer", "momentum", "loss", "precision")


@dataclass(frozen=True)
class Workload:
    """A multilayer perceptron with tanh between its layers, softmax cross-entropy on top and plain SGD below.

    The defaults are those of the original experiment, which the suite began with, and which every trainer trains. The
    last six parameters make it another, for those trainers that can.

    :param dataset: ``"mnist"``, ``"synthetic"``, or the name of one's own.
    :param layer_sizes: units of every layer, input and output included; of other networks, as
        :mod:`benchmarks.workload.networks` says.
    :param learning_rate: the optimizer's; the gradient is that of the batch's mean loss.
    :param batch_size: images a step; the last step of an epoch takes what is left (MNIST: 96 of 128).
    :param epochs: passes over the training images; the first is reported alone, the others are the rounds.
    :param init_scale: standard deviation of the initial weights and biases, all drawn from N(0, init_scale²).
    :param seed: of the initial parameters and of the batch orders.
    :param steps: of an epoch, the first ones of its order; None for all of them.
    :param draw: which of the :data:`DRAWS` orders of a seed it is. It is no part of what is measured: a session draws
        it, so that no trainer knows from an earlier one what it will train.
    :param network: ``"mlp"``, ``"cnn"`` or ``"transformer"``.
    :param activation: ``"tanh"``, ``"relu"``, ``"sigmoid"`` or ``"gelu"`` (its approximation by tanh).
    :param optimizer: ``"sgd"``, or ``"adam"`` as :class:`benchmarks.workload.optimizers.Adam` has it.
    :param momentum: of SGD: ``velocity = momentum * velocity + gradient`` is what a parameter steps by, times the rate.
    :param loss: ``"cross-entropy"``, or ``"squared-error"`` of the logits to 1 for the right class and 0 for others.
    :param precision: of the matrix products: ``"fp32"``, or what their factors are rounded to, ``"tf32"``, ``"bf16"``.
        Parameters and updates stay float32. It is told by the entry's name, and is no part of :meth:`label`.
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
    network: str = "mlp"
    activation: str = "tanh"
    optimizer: str = "sgd"
    momentum: float = 0.0
    loss: str = "cross-entropy"
    precision: str = "fp32"

    def __post_init__(self):
        object.__setattr__(self, "layer_sizes", tuple(self.layer_sizes))
        for name, known in KNOWN.items():
            if getattr(self, name) not in known:
                raise DuetError(f"{name} = {getattr(self, name)!r}: give one of {', '.join(known)}.")
        self.made_of()  # whether there is such a network
        sizes = self.layer_sizes
        if self.dataset in PUBLIC and (sizes[0] != IMAGE_SIZE or sizes[-1] != CLASSES):
            shown = ",".join(map(str, sizes))
            raise DuetError(
                f"--layer-sizes={shown}: give positive sizes from {IMAGE_SIZE} (the pixels of an image) to "
                f"{CLASSES} (the classes), for example {IMAGE_SIZE},512,{CLASSES}."
            )
        self._check_momentum()
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

    def _check_momentum(self):
        if not (math.isfinite(self.momentum) and 0 <= self.momentum < 1):
            raise DuetError(f"momentum = {self.momentum}: give a number from 0, and below 1.")
        if self.momentum and self.optimizer != "sgd":
            raise DuetError(f"momentum = {self.momentum}: that is SGD's, and the optimizer is {self.optimizer}.")

    @classmethod
    def usual(cls, network="mlp", **given):
        """Return the workload that a network is usually trained by, but for what is given."""
        by_adam = BY_ADAM if given.get("optimizer") == "adam" else {}
        return cls(network=network, **{**getattr(NETWORKS.get(network), "usual", {}), **by_adam, **given})

    def is_everybodys(self):
        """Tell whether every trainer trains it: the original's network, activation, loss and optimizer."""
        return all(getattr(self, name) == getattr(type(self), name) for name in LATER)

    def made_of(self):
        """Return the network, one of :data:`benchmarks.workload.networks.NETWORKS`."""
        return NETWORKS[self.network](self.layer_sizes)

    def multiplied(self):
        """Return the workload whose matrix products tell what this machine could do.

        A perceptron's are its own. Those of other networks are many and small, and frameworks have other ways to
        compute them: the default perceptron's stand for them, which are large.
        """
        return self if self.network == type(self).network else type(self)(batch_size=self.batch_size)

    def initial_parameters(self):
        """Return ``[(weight, bias), ...]``, layer by layer: float32, of the shapes that the network says.

        Those of a perceptron's layer are ``(n_in, n_out)`` and ``(n_out,)``.
        """
        random, network = np.random.RandomState([self.seed, _PARAMETERS]), self.made_of()
        layers = [tuple(self._draw(random, *shape) for shape in layer) for layer in network.shapes]
        for number in network.scales:
            layers[number][0][...] += 1
        return layers

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
        return sum(math.prod(shape) for layer in self.made_of().shapes for shape in layer)

    def flops_per_epoch(self, images, fewest=False):
        """Return the floating-point operations of an epoch over ``images`` images.

        A layer from n to m units costs 2·n·m operations an image (one multiplication, one addition) in each of the
        forward product, the weight gradient and the input gradient; the first layer has no use for its input
        gradient. The terms that grow with the units alone (bias, tanh, softmax) and the update are left out, as is
        usual; the update, 2 operations a parameter and step, is 0.3 % by default.
        60,000 images of the default network: 573.8 GFLOP.

        :param fewest: of a convolution, only those that no algorithm can do without.
        """
        return images * sum(product.flops(fewest) for product in self.made_of().products)

    def bytes_per_epoch(self, images):
        """Return the bytes that an epoch must move at the least, in float32.

        Each step reads every parameter once and writes it once; each image and its label (an int32) is read once.
        Activations and gradients are left out: a perfect implementation keeps them in cache.
        """
        steps = math.ceil(images / self.batch_size)
        parameters = 2 * self.n_parameters * FLOAT_BYTES * steps
        return parameters + images * (self.layer_sizes[0] * FLOAT_BYTES + 4)

    def label(self):
        """Return what sets this workload apart: ``"batch_size=256,seed=1"``; ``""`` if nothing.

        From the default one, or, after ``"network=cnn"``, from that network's usual one.

        It becomes part of the benchmark's name, so that pytest-benchmark, which compares by name alone, never
        compares two workloads.
        """
        usual = self.usual(self.network)
        names = [field.name for field in fields(self) if field.name not in ("draw", "network", "precision")]
        changed = [name for name in names if getattr(self, name) != getattr(usual, name)]
        named = ["network"] if self.network != type(self).network else []
        return ",".join(f"{name}={_spell(getattr(self, name))}" for name in named + changed)

    def as_dict(self):
        """Return the parameters as JSON knows them; ``Workload(**that)`` gives the workload back."""
        as_ever = [name for name in LATER if getattr(self, name) == getattr(type(self), name)]
        kept = {name: value for name, value in asdict(self).items() if name not in as_ever}
        return dict(kept, layer_sizes=list(self.layer_sizes))

    def described(self):
        """Return what is compared of them: all but the draw."""
        return {name: value for name, value in self.as_dict().items() if name != "draw"}

    def digest(self):
        """Return a SHA-256 (hexadecimal) of everything that decides the training's path, whatever its length.

        The number of epochs is left out: a shorter training is the beginning of a longer one. So is the precision: all
        are held against the exact path.
        """
        left_out = ("epochs", "precision")
        path = {name: value for name, value in self.described().items() if name not in left_out and value is not None}
        path.update({"draw": self.draw} if self.draw else {})
        return hashlib.sha256(json.dumps(path, sort_keys=True).encode()).hexdigest()

    def _draw(self, random, *shape):
        return (self.init_scale * random.standard_normal(shape)).astype(np.float32)


def _spell(value):
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
