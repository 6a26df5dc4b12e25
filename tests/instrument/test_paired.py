"""Order statistics over several looks: they spend no more than they say, whatever the noise.

Simulated rates are printed (``-s``); each is held against its bound with three standard errors of the simulation.
"""

from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
from made_up import at_least, at_most
from properties import EXAMPLES, assume, given, st

from pytest_duet.judge.paired import Look, interval, intervals, plan_looks

MAX_TRIALS = 16
ALPHAS = (0.05, 0.025, 0.025 / 3, 0.0125 / 3, 0.001)

# The looks


@cache
def sign_paths(trials):
    """Return how many of the first 1, 2, ... tosses were heads, for each of the 2 ** trials ways to toss a coin."""
    return np.cumsum(np.array(list(product((0, 1), repeat=trials)), dtype=np.int8), axis=1)


def crossed(heads, looks):
    return np.any([heads[:, look.trials - 1] <= look.drop for look in looks], axis=0)


@pytest.mark.parametrize("max_trials", range(1, MAX_TRIALS + 1))
def test_all_looks_together_spend_no_more_than_alpha_of_all_sign_paths(max_trials):
    for alpha in ALPHAS:
        looks = plan_looks(alpha, max_trials)
        if looks:
            assert crossed(sign_paths(max_trials), looks).mean() <= alpha


def test_looking_after_every_trial_as_if_it_were_the_only_look_would_spend_more():
    heads = sign_paths(MAX_TRIALS)
    naive = []
    for trials in range(1, MAX_TRIALS + 1):
        fewest = [drop for drop in range(trials) if (heads[:, trials - 1] <= drop).mean() <= 0.025]
        naive += [Look(trials, fewest[-1])] if fewest else []
    assert crossed(heads, naive).mean() > 0.04


def test_in_a_simulation_the_looks_spend_no_more_than_alpha_and_nearly_that():
    heads = np.cumsum(np.random.default_rng(4).integers(0, 2, (100_000, 40), dtype=np.int8), axis=1)
    for alpha in ALPHAS:
        count = crossed(heads, plan_looks(alpha, 40)).sum()
        print(f"alpha {alpha:.4f}, 40 trials: {count / len(heads):.4f} spent")
        assert at_most(count, len(heads), alpha)
        assert at_least(count, len(heads), 0.8 * alpha)


@EXAMPLES
@given(st.floats(1e-6, 0.3), st.integers(1, 60))
def test_looks_come_one_after_the_other_each_dropping_one_more(alpha, max_trials):
    looks = plan_looks(alpha, max_trials)
    assert [look.drop for look in looks] == list(range(len(looks)))
    assert all(earlier.trials < later.trials for earlier, later in pairwise(looks))
    assert all(2 * look.drop < look.trials - 1 and look.trials <= max_trials for look in looks)


def test_too_few_trials_give_no_look():
    assert plan_looks(0.0125, 6) == ()
    assert plan_looks(0.0125, 7) == (Look(7, 0),), "1 / 128 < 0.0125 < 1 / 64"
    assert plan_looks(0.0, 16) == ()


@EXAMPLES
@given(st.floats(1e-6, 0.3), st.floats(1, 20), st.integers(1, 60))
def test_a_larger_alpha_looks_no_later(alpha, factor, max_trials):
    small, large = (plan_looks(error, max_trials) for error in (alpha, min(0.3, alpha * factor)))
    assert len(large) >= len(small)
    assert all(sooner.trials <= later.trials for sooner, later in zip(large, small))


# The interval

some = st.lists(st.floats(-1, 1), min_size=8, max_size=30)


@EXAMPLES
@given(some)
def test_an_interval_contains_the_median_and_one_that_drops_less(values):
    found = [interval(values, drop) for drop in range((len(values) - 1) // 2)]
    assert all(low <= np.median(values) <= high for low, high in found)
    assert all(wide[0] <= low and high <= wide[1] for wide, (low, high) in pairwise(found))


@EXAMPLES
@given(some, st.floats(-1, 1), st.integers(0, 3))
def test_an_interval_moves_with_its_values(values, shift, drop):
    low, high = interval(values, drop)
    assert interval([value + shift for value in values], drop) == (low + shift, high + shift)


@EXAMPLES
@given(some, st.sampled_from(ALPHAS))
def test_swapping_new_and_old_mirrors_every_interval(values, alpha):
    found = list(intervals(values, alpha, 30))
    assert list(intervals([-value for value in values], alpha, 30)) == [(-high, -low) for low, high in found]


@EXAMPLES
@given(some, st.data())
def test_the_order_of_trials_within_a_look_does_not_matter(values, data):
    looks = plan_looks(0.025, 30)
    last = max((look.trials for look in looks if look.trials <= len(values)), default=0)
    assume(last)
    values = values[:last]
    assert list(intervals(values, 0.025, 30))[-1] == list(intervals(data.draw(st.permutations(values)), 0.025, 30))[-1]


@EXAMPLES
@given(some)
def test_later_trials_leave_earlier_looks_as_they_were(values):
    found = list(intervals(values, 0.025, 30))
    assert list(intervals(values[:-1], 0.025, 30)) == found[: len(list(intervals(values[:-1], 0.025, 30)))]
