"""One step of training a small network with JAX."""

from itertools import pairwise

import jax
import jax.numpy as jnp

SIZES = (784, 512, 10)


def initial(seed=0):
    """Return the weights and biases, ``[(weight, bias), ...]``, in float32."""
    keys = jax.random.split(jax.random.key(seed), len(SIZES) - 1)
    shapes = pairwise(SIZES)
    return [(0.05 * jax.random.normal(key, shape), jnp.zeros(shape[1])) for key, shape in zip(keys, shapes)]


def loss(parameters, images, labels):
    """Return the mean cross-entropy of a batch."""
    for weight, bias in parameters[:-1]:
        images = jnp.tanh(images @ weight + bias)
    weight, bias = parameters[-1]
    logits = jax.nn.log_softmax(images @ weight + bias)
    return -jnp.take_along_axis(logits, labels[:, None], axis=1).mean()


@jax.jit
def step(parameters, images, labels):
    """Return the parameters after a step of gradient descent, and the loss before it."""
    value, gradients = jax.value_and_grad(loss)(parameters, images, labels)
    return jax.tree.map(lambda parameter, gradient: parameter - 0.1 * gradient, parameters, gradients), value
