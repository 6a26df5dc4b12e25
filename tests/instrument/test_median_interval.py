"""An interval for the median is as sure as it says: counted over all orders, and simulated."""

from itertools import product
from math import comb

import numpy as np
import pytest
from made_up import at_least, at_most

from pytest_duet.judge.median_interval import CONFIDENCE, median_interval


@pytest.mark.parametrize("values", [[], [1.0]])
def test_there_is_none_of_fewer_than_two_values(values):
    assert median_interval(values) is None


@pytest.mark.parametrize("n", range(2, 15))
def test_the_confidence_is_exact(n):
    """Each value falls below or above the median with equal chance: all 2**n ways are counted."""
    found = median_interval(list(range(n)))
    drop = int(found.low)
    assert (found.low, found.high) == (drop, n - 1 - drop), "symmetric"
    held = sum(drop < sum(below) < n - drop for below in product((0, 1), repeat=n))
    assert found.confidence == held / 2**n


@pytest.mark.parametrize(("n", "bounds", "confidence"), [(3, (0, 2), 0.75), (5, (0, 4), 0.9375), (6, (0, 5), 0.96875)])
def test_few_values_are_said_to_be_less_sure(n, bounds, confidence):
    found = median_interval(list(range(n)))
    assert ((found.low, found.high), found.confidence) == (bounds, confidence)


# Conover's table of the binomial distribution: the ranks, from 1, of the interval's bounds.
@pytest.mark.parametrize(("n", "ranks"), [(8, (1, 8)), (9, (2, 8)), (12, (3, 10)), (15, (4, 12)), (20, (6, 15))])
def test_the_ranks_are_those_of_the_tables(n, ranks):
    found = median_interval(list(range(1, n + 1)))
    assert (found.low, found.high) == ranks


@pytest.mark.parametrize("n", range(6, 60))
def test_it_is_the_shortest_that_is_sure_enough(n):
    found = median_interval(list(range(n)))
    assert found.confidence >= CONFIDENCE
    drop = int(found.low) + 1
    assert 2 * drop >= n or 1 - 2 * sum(comb(n, k) for k in range(drop + 1)) / 2**n < CONFIDENCE


@pytest.mark.parametrize("n", [3, 5, 8, 20])
@pytest.mark.parametrize("skewed", [False, True])
def test_it_holds_the_median_as_often_as_it_says(n, skewed):
    rng, of = np.random.default_rng(5), 4_000
    draws = rng.lognormal(0, 1, (of, n)) if skewed else rng.standard_t(2, (of, n)) + 1  # both have the median 1
    found = [median_interval(row) for row in draws.tolist()]
    held = sum(its.low <= 1 <= its.high for its in found)
    assert at_least(held, of, found[0].confidence) and at_most(held, of, found[0].confidence)


def test_neither_order_nor_equal_values_matter():
    assert median_interval([3, 1, 2]) == median_interval([1, 2, 3])
    found = median_interval([2.0] * 7)
    assert (found.low, found.high) == (2.0, 2.0)
