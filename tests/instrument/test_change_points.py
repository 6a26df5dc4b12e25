"""Changes of level: seldom where there is none, at their place where there is one. Rates are printed (``-s``)."""

import numpy as np
import pytest
from made_up import at_least, at_most

from pytest_duet.judge.change_points import LEAST_RUNS, change_points

NOISE = 0.02
SERIES = 400  # simulated
NOISES = {
    "normal": lambda rng, n: rng.normal(0, NOISE, n),
    "heavy tails": lambda rng, n: rng.standard_t(4, n) * NOISE / 2**0.5,  # of the same standard deviation
}


def simulate(noise, n, step=0.0, seed=7):
    """Yield series of runs around 1 s; from the middle on they are slower by ``step``."""
    rng = np.random.default_rng(seed)
    for _ in range(SERIES):
        logs = NOISES[noise](rng, n)
        logs[n // 2 :] += np.log1p(step)
        yield np.exp(logs).tolist()


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("n", [20, 100, 500])
def test_unchanged_code_seldom_has_a_change(noise, n):
    false = sum(bool(change_points(values)) for values in simulate(noise, n))
    print(f"{noise}, {n} runs: {false / SERIES:.1%} have a change that is none")
    assert at_most(false, SERIES, 0.08)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("n", [20, 100, 500])
def test_a_step_of_5_percent_is_found_within_2_runs_of_its_place(noise, n):
    found = sum(any(abs(at - n // 2) <= 2 for at in change_points(values)) for values in simulate(noise, n, 0.05))
    print(f"{noise}, {n} runs: {found / SERIES:.1%} of the steps are found")
    assert at_least(found, SERIES, 0.85)


def test_a_faster_level_is_found_too():
    found = sum(any(abs(at - 50) <= 2 for at in change_points(values)) for values in simulate("normal", 100, -0.05))
    assert at_least(found, SERIES, 0.85)


def test_two_steps_are_two_changes():
    rng = np.random.default_rng(1)
    logs = rng.normal(0, NOISE, 90) + np.repeat([0.0, 0.2, 0.1], 30)
    assert change_points(np.exp(logs).tolist()) == [30, 60]


@pytest.mark.parametrize("n", [0, 1, 9, 10, 11, 50])
def test_a_constant_series_has_none(n):
    assert change_points([1.5] * n) == []


def test_a_step_without_noise_is_found():
    """Figures that were rounded: most neighbours are equal, and yet the level moved."""
    assert change_points([1.0] * 10 + [2.0] * 10) == [10]


@pytest.mark.parametrize("n", range(2 * LEAST_RUNS))
def test_fewer_than_ten_runs_have_none(n):
    assert change_points([1.0] * (n // 2) + [9.0] * (n - n // 2)) == []


def test_a_single_slow_run_is_no_level():
    values = next(simulate("normal", 40))
    values[20] *= 1.5
    changes = change_points(values)
    assert all(after - before >= LEAST_RUNS for before, after in zip([0, *changes], [*changes, 40]))


@pytest.mark.parametrize("factor", [1e-6, 3.0, 1e6])
def test_the_unit_does_not_matter(factor):
    for values in list(simulate("heavy tails", 60, 0.04))[:20]:
        assert change_points([value * factor for value in values]) == change_points(values)


def test_the_answer_is_a_list_of_plain_numbers():
    """The report embeds it as JSON."""
    assert all(type(at) is int for at in change_points([1.0, 1.01] * 10 + [2.0, 2.01] * 10))
