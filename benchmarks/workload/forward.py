"""What each network computes, and each loss: the forward pass in NumPy, which autograd derives the gradients from.

In the precision of the parameters; float64 for the oracle. Plain enough to be checked by eye.
"""

from __future__ import annotations

import math
from contextlib import contextmanager

import autograd.numpy as np
import numpy
from autograd.extend import defvjp, primitive

from benchmarks.workload.networks import BITS, EPSILON, HEADS, SIDE


@primitive
def watched(_, array, keep):
    """Return the array; ``keep`` is called with the gradient of what is made of it.

    :param _: what autograd derives by, a number that nothing depends on. Deriving by the arrays themselves, it would
        add each gradient to zeros, which takes longer than all the products do.
    """
    return array


defvjp(watched, lambda answer, _, array, keep: lambda gradient: keep(gradient) or 0.0, argnums=(0,))


@primitive
def tanh(values):
    return numpy.tanh(values)


defvjp(tanh, lambda answer, values: lambda gradient: gradient * (1 - answer * answer))  # autograd's own takes a cosh


_kept_bits = [BITS["fp32"]]


@contextmanager
def rounded_to(precision):
    """Within it, the factors of all matrix products are rounded as this precision does it."""
    _kept_bits.append(BITS[precision])
    try:
        yield
    finally:
        _kept_bits.pop()


@primitive
def product(left, right):
    """Return ``left @ right``, of two matrices or of as many pairs of them on either side."""
    return rounded(left) @ rounded(right)


defvjp(
    product,
    lambda answer, left, right: lambda gradient: product(gradient, numpy.swapaxes(right, -1, -2)),
    lambda answer, left, right: lambda gradient: product(numpy.swapaxes(left, -1, -2), gradient),
)


def rounded(factor):
    """Return a factor with as many bits of its fraction as are kept, rounded to nearest, ties to even."""
    dropped = BITS["fp32"] - _kept_bits[-1]
    if not dropped:
        return factor
    bits = numpy.array(factor, numpy.float32, order="C").view(numpy.uint32)
    bits += (bits >> dropped & 1) + (1 << dropped - 1) - 1
    return (bits & ~numpy.uint32((1 << dropped) - 1)).view(numpy.float32)


def relu(values):
    return np.where(values > 0, values, 0 * values)


def sigmoid(values):
    return 0.5 * (tanh(0.5 * values) + 1)


def gelu(values):
    """Return its usual approximation (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016)."""
    return 0.5 * values * (1 + tanh(math.sqrt(2 / math.pi) * (values + 0.044715 * values**3)))


def mlp(parameters, images, activation):
    for layer in parameters[:-1]:
        images = activation(linear(layer, images))
    return linear(parameters[-1], images)


def cnn(parameters, images, activation):
    values = images.reshape(-1, SIDE, SIDE, 1)
    for kernel, bias in parameters[:-1]:
        values = pooled(activation(convolved(values, kernel) + bias))
    return linear(parameters[-1], values.reshape(len(images), -1))


def transformer(parameters, images, activation):
    embed, before, project, mix, between, widen, narrow, after, head = parameters
    rows = linear(embed, images.reshape(-1, SIDE, SIDE))
    rows = rows + linear(mix, attended(project, normed(before, rows)))
    rows = rows + linear(narrow, activation(linear(widen, normed(between, rows))))
    return linear(head, np.mean(normed(after, rows), axis=1))


def linear(layer, values):
    """Return ``values @ weight + bias``, over the last axis of values of any number of axes."""
    weight, bias = layer
    flat = product(values.reshape(-1, values.shape[-1]), weight)
    return flat.reshape((*values.shape[:-1], weight.shape[-1])) + bias


def convolved(images, kernel):
    """Return the cross-correlation of ``(n, height, width, channels)`` with ``(k, k, channels, its own)``, unpadded."""
    side, _, _, channels = kernel.shape
    cut = patches(images, side)
    flat = product(cut.reshape(-1, cut.shape[-1]), kernel.reshape(-1, channels))
    return flat.reshape((*cut.shape[:-1], channels))


@primitive
def patches(images, side):
    """Return what a kernel is laid on at each place, ``(n, height - side + 1, width - side + 1, side * side * c)``."""
    return numpy.concatenate([images[where] for where in _windows(images.shape, side)], axis=3)


def _windows(shape, side):
    """Return, for each of a kernel's places, the part of the images that it meets."""
    rows, columns = shape[1] - side + 1, shape[2] - side + 1
    return [numpy.s_[:, i : i + rows, j : j + columns] for i in range(side) for j in range(side)]


def _patches_gradient(answer, images, side):
    def gradient(of_patches):
        total = numpy.zeros_like(images)
        parts = numpy.split(of_patches, side * side, axis=3)
        for where, part in zip(_windows(images.shape, side), parts):
            total[where] += part
        return total

    return gradient


defvjp(patches, _patches_gradient, argnums=(0,))


def pooled(values):
    """Return the mean of each 2 by 2 places."""
    n, height, width, channels = values.shape
    return np.mean(values.reshape(n, height // 2, 2, width // 2, 2, channels), axis=(2, 4))


def attended(project, rows):
    """Return scaled dot-product attention over the rows, each head's beside the others (Vaswani et al., 2017)."""
    (weight, bias), width = project, rows.shape[-1]

    def headed(number):
        part = slice(number * width, (number + 1) * width)
        its = linear((weight[:, part], bias[part]), rows)
        return np.transpose(its.reshape(len(its), SIDE, HEADS, -1), (0, 2, 1, 3))

    queries, keys, values = map(headed, range(3))
    scores = product(queries, np.transpose(keys, (0, 1, 3, 2))) / math.sqrt(width // HEADS)
    answers = product(np.exp(log_softmax(scores)), values)
    return np.transpose(answers, (0, 2, 1, 3)).reshape(rows.shape)


def normed(layer, values):
    """Return layer normalisation over the last axis (Ba, Kiros and Hinton, 2016)."""
    scale, shift = layer
    away = values - np.mean(values, axis=-1, keepdims=True)
    return away / np.sqrt(np.mean(away**2, axis=-1, keepdims=True) + EPSILON) * scale + shift


def log_softmax(values):
    away = values - np.max(values, axis=-1, keepdims=True)
    return away - np.log(np.sum(np.exp(away), axis=-1, keepdims=True))


def cross_entropy(logits, labels):
    """Return the mean over the batch of minus the logarithm of the right class's softmax."""
    return -np.sum(one_hot(labels, logits) * log_softmax(logits)) / len(labels)


def squared_error(logits, labels):
    """Return the mean, over the batch and the classes, of (logit - target)², the target being 1 for the right class."""
    return np.mean((logits - one_hot(labels, logits)) ** 2)


def one_hot(labels, logits):
    return numpy.eye(logits.shape[1], dtype=logits.dtype)[labels]


FORWARD = {"mlp": mlp, "cnn": cnn, "transformer": transformer}
ACTIVATIONS = {"tanh": tanh, "relu": relu, "sigmoid": sigmoid, "gelu": gelu}
LOSSES = {"cross-entropy": cross_entropy, "squared-error": squared_error}
