"""Where the tails of the textbook distributions begin: what a value exceeds by chance with a given probability alone.

They are what :mod:`scipy.stats` gives too, which takes 0.5 s to import; :mod:`scipy.special`, which does its sums,
takes 0.2 s (two cores of an EPYC). Only sessions that judge or compare import either.
"""

from __future__ import annotations


def students_t(tail: float, degrees: float) -> float:
    """Return what Student's t with so many degrees of freedom exceeds with probability ``tail``."""
    from scipy.special import stdtrit

    return -float(stdtrit(degrees, tail))


def fishers_f(tail: float, above: float, below: float) -> float:
    """Return what a ratio of two variances of one distribution, of so many degrees of freedom each, exceeds."""
    from scipy.special import fdtri

    return float(fdtri(above, below, 1 - tail))


def normal(tail: float) -> float:
    """Return what a standard normal value exceeds with probability ``tail``."""
    from scipy.special import ndtri

    return -float(ndtri(tail))


def beta(tail: float, successes: float, failures: float) -> float:
    """Return what a value of Beta(successes, failures) exceeds with probability ``tail``."""
    from scipy.special import betaincinv

    return float(betaincinv(successes, failures, 1 - tail))
