"""The networks that can be trained: their parameters' shapes, and what their arithmetic costs. No framework, no array.

What each computes stands in :mod:`benchmarks.workload.forward`. Layer by layer, the parameters of all are pairs of a
weight and a bias, in the order in which they are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pytest_duet.errors import DuetError

SIDE = 28  # of an image, in pixels
KERNEL = 5  # a convolution's width and height
HEADS = 4  # of the attention
EPSILON = 1e-5  # added to the variance where a layer is normed, as PyTorch does
WIDE = SIDE - KERNEL + 1  # places in a row of the first convolution
SMALL = WIDE // 2 - KERNEL + 1  # and of the second one, after the first pooling
LEFT = (SMALL // 2) ** 2  # places that are left after the second pooling


@dataclass(frozen=True)
class Product:
    """A matrix product that an image takes part in: ``(rows, n_in) @ (n_in, n_out)``.

    :param first: whether its left side is the image itself, which no gradient is needed of.
    :param kernel: of a convolution, its places. Fast algorithms save multiplications, up to all but one of them
        (Winograd, "Arithmetic Complexity of Computations", 1980: m + r - 1 for m outputs of r taps).
    """

    rows: int
    n_in: int
    n_out: int
    first: bool = False
    kernel: int = 1

    def flops(self, fewest=False):
        """Return the operations it costs an image: forward, for the weight's gradient, and for the input's."""
        return 2 * self.rows * self.n_in * self.n_out * (2 if self.first else 3) // (self.kernel if fewest else 1)


class Mlp:
    """A multilayer perceptron: the image's pixels, layers of so many units, the classes."""

    sizes = "positive sizes from the image's pixels to the classes, for example 784,512,10"
    usual: ClassVar = {}

    def __init__(self, sizes):
        if len(sizes) < 2 or min(sizes) < 1:
            raise DuetError(f"--layer-sizes={_shown(sizes)}: give {self.sizes}.")
        layers = list(zip(sizes[:-1], sizes[1:]))
        self.shapes = [((n_in, n_out), (n_out,)) for n_in, n_out in layers]
        self.products = [Product(1, n_in, n_out, first=not number) for number, (n_in, n_out) in enumerate(layers)]
        self.units = sum(sizes)  # numbers that an image becomes on its way, its own included
        self.operations = 2 * len(layers)  # that an eager framework is called for, forward, at the least
        self.scales = []  # the layers whose weights scale what comes, and begin around 1


class Cnn:
    """Two convolutions of 5 by 5, each with its activation and the mean of each 2 by 2, and a linear layer.

    LeNet-5's way (LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998), which has no kinks:
    with rectifiers and the largest of four, honest float32 is off by 5e-3 in a loss where this is by 3e-7.
    """

    sizes = "784, the channels of two convolutions, and the classes, for example 784,8,16,10"
    usual: ClassVar = {"layer_sizes": (784, 8, 16, 10), "learning_rate": 0.05, "epochs": 3}

    def __init__(self, sizes):
        _check(self, sizes)
        _, first, second, classes = sizes
        places, pooled = KERNEL**2, LEFT * second
        self.shapes = [
            ((KERNEL, KERNEL, 1, first), (first,)),
            ((KERNEL, KERNEL, first, second), (second,)),
            ((pooled, classes), (classes,)),
        ]
        self.products = [
            Product(WIDE**2, places, first, first=True, kernel=places),
            Product(SMALL**2, places * first, second, kernel=places),
            Product(1, pooled, classes),
        ]
        self.units = SIDE**2 + (WIDE**2 + (WIDE // 2) ** 2) * first + SMALL**2 * second + pooled + classes
        self.operations, self.scales = 7, []


class Transformer:
    """One block over the 28 rows of an image: embedded, with a bias for each row's place; normed, attended, added;
    normed, through two layers, added; normed, their mean, and a linear layer.
    """

    sizes = "784, the width of a row (a multiple of 4, the heads), that within its layers, and the classes"
    usual: ClassVar = {
        "layer_sizes": (784, 64, 128, 10),
        "activation": "gelu",
        "learning_rate": 0.005,
        "init_scale": 0.2,
        "epochs": 3,
    }

    def __init__(self, sizes):
        _check(self, sizes)
        _, width, hidden, classes = sizes
        if width % HEADS:
            raise DuetError(f"--layer-sizes={_shown(sizes)}: give {self.sizes}.")
        norm = ((width,), (width,))
        self.shapes = [
            ((SIDE, width), (SIDE, width)),
            norm,
            ((width, 3 * width), (3 * width,)),
            ((width, width), (width,)),
            norm,
            ((width, hidden), (hidden,)),
            ((hidden, width), (width,)),
            norm,
            ((width, classes), (classes,)),
        ]
        self.products = [
            Product(SIDE, SIDE, width, first=True),
            Product(SIDE, width, 3 * width),
            Product(SIDE, width, SIDE),  # the scores of all heads
            Product(SIDE, SIDE, width),
            Product(SIDE, width, width),
            Product(SIDE, width, hidden),
            Product(SIDE, hidden, width),
            Product(1, width, classes),
        ]
        self.units = SIDE * (SIDE + 9 * width + 2 * HEADS * SIDE + 2 * hidden) + width + classes
        self.operations, self.scales = 12, [1, 4, 7]


def in_words(workload):
    """Return the network of a workload's dictionary in words: its name, unless it is a perceptron, and its sizes."""
    sizes = "-".join(map(str, workload["layer_sizes"]))
    return f"{workload['network']} {sizes}" if "network" in workload else sizes


def _check(network, sizes):
    if len(sizes) != 4 or min(sizes) < 1 or sizes[0] != SIDE**2:
        raise DuetError(f"--layer-sizes={_shown(sizes)}: give {network.sizes}.")


def _shown(sizes):
    return ",".join(map(str, sizes))


NETWORKS = {"mlp": Mlp, "cnn": Cnn, "transformer": Transformer}
ACTIVATIONS = ("tanh", "relu", "sigmoid", "gelu")
OPTIMIZERS = ("sgd", "adam")
BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-8  # Adam's, as its paper proposes them, and PyTorch and Optax have them
LOSSES = ("cross-entropy", "squared-error")
BITS = {"fp32": 23, "tf32": 10, "bf16": 7}  # of a factor's fraction, by the precision of the products
