"""A few hundred numbers that stand for a million: how parameters are compared without sending or storing them.

A count sketch (Charikar, Chen and Farach-Colton, "Finding frequent items in data streams", 2002) adds every entry of
an array, with a random sign, to one of a few buckets. It is linear, and the sketch's norm is the array's norm but for a
relative error of about ``1 / sqrt(2 * BUCKETS)``, 4 % here. So the relative error of an update can be told from two
sketches, to well within the factor of ten that lies between an honest trainer and the tolerance.
"""

from __future__ import annotations

import numpy as np

BUCKETS = 256


def sketch(array):
    """Return the sketch of an array of any shape: float64, ``min(array.size, BUCKETS)`` numbers."""
    flat = np.asarray(array, dtype=np.float64).ravel()
    if flat.size <= BUCKETS:
        return flat
    random = np.random.RandomState(flat.size)
    bucket = random.randint(0, BUCKETS, size=flat.size)
    sign = 1.0 - 2.0 * random.randint(0, 2, size=flat.size)
    return np.bincount(bucket, weights=sign * flat, minlength=BUCKETS)


def sketch_update(parameters, initial):
    """Return the sketches of ``parameters - initial``, both ``[(weight, bias), ...]``, in the order w1, b1, w2, ..."""
    pairs = (pair for layers in zip(parameters, initial) for pair in zip(*layers))
    return [sketch(np.asarray(now, np.float64) - np.asarray(then, np.float64)) for now, then in pairs]


def norm(sketched):
    """Return the Euclidean norm of an array, estimated from its sketch."""
    return float(np.linalg.norm(sketched))


def relative_error(update, reference):
    """Return ``norm(update - reference) / norm(reference)``, estimated from two sketches of one array's update."""
    return norm(np.subtract(update, reference)) / max(norm(reference), np.finfo(float).tiny)
