"""The gate against another environment: no more false alarms than it says, whatever the noise, and slowdowns found.

Simulated rates are printed (``-s``); each is held against its bound with three standard errors of the simulation.
"""

from dataclasses import replace
from functools import cache
from itertools import pairwise, product
from math import exp, log

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from made_up import AGAINST, EXAMPLES, JUDGED, METRICS, at_least, at_most, family, row

from pytest_duet.judge import by_pairs
from pytest_duet.judge.paired import Look, interval, intervals, plan_looks
from pytest_duet.judge.verdict import FAMILY_ERROR
from pytest_duet.record.comparison import Verdict
from pytest_duet.record.metrics import MEMORY
from pytest_duet.record.row import Against, Row
from pytest_duet.trials.trial import Memory, Trial

SUBJECTS = ("jax", "keras", "torch")
MAX_TRIALS = 16
SESSIONS = 400  # where every session is judged as a real one is, trial by trial
SD = 0.016  # of a trial's ratio
DRIFT = 0.02  # a trial
ALPHAS = (0.05, 0.025, 0.025 / 3, 0.0125 / 3, 0.001)
FAMILY = family(SUBJECTS, AGAINST)
ALPHA = {name: FAMILY.alpha(METRICS[name]) for name in JUDGED}
LIMITS = np.log([AGAINST[name].ratio(10.0 if name != "peak_memory_bytes" else 1e9) for name in JUDGED])

side = SD / 2**0.5
# Noise of the new and of the old side in each pair of trials.
NOISES = {
    "normal": lambda rng, shape: side * rng.standard_normal((2, *shape)),
    "heavy-tailed": lambda rng, shape: side * rng.standard_t(2, (2, *shape)),  # its variance is infinite
    "bimodal": lambda rng, shape: 0.05 * rng.choice([-1, 1], (2, *shape)) + side * rng.standard_normal((2, *shape)),
    "bursts": lambda rng, shape: 0.5 * (rng.random((2, *shape)) < 0.1) + side * rng.standard_normal((2, *shape)),
    "drifting": lambda rng, shape: drift(shape[-1]) + side * rng.standard_normal((2, *shape)),
}


def drift(trials):
    """Return a slowdown that grows all the time; the sides take turns in who comes first, half a trial earlier."""
    second = np.arange(trials) % 2
    when = np.arange(trials) + np.array([second, 1 - second]) / 2
    return DRIFT * when[:, None, None, None, :]


def simulate(noise, sessions, slower=0.0, seed=4):
    """Return the logarithms of both sides' values: side, session, subject, metric, trial.

    :param slower: logarithm of the true ratio, or one for each metric.
    """
    sides = NOISES[noise](np.random.default_rng(seed), (sessions, len(SUBJECTS), len(JUDGED), MAX_TRIALS))
    sides[0] += np.broadcast_to(slower, len(JUDGED))[:, None]
    return sides


def regressed(sides, share=1.0):
    """Return which comparisons :func:`by_pairs.judge_session` calls regressed in the first step of Holm's procedure."""
    ratios = sides[0] - sides[1]
    found = np.zeros(ratios.shape[:3], bool)
    for number, (metric, limit) in enumerate(zip(JUDGED, LIMITS)):
        for look in plan_looks(share * ALPHA[metric], MAX_TRIALS):
            found[:, :, number] |= (ratios[:, :, number, : look.trials] <= limit).sum(-1) <= look.drop
    return found


def rows_of(session, trials=None):
    """Return the rows of one simulated session, ``{subject: row}``."""
    units = np.array([10.0, 1e9, 10.0])[:, None]
    values = units * np.exp(session)
    return {
        subject: row(subject, *(dict(zip(JUDGED, values[side, number, :, :trials])) for side in (0, 1)))
        for number, subject in enumerate(SUBJECTS)
    }


def judge_session(rows):
    return by_pairs.judge_session(rows, FAMILY, MAX_TRIALS)


def alarms(found):
    return {(one.benchmark, one.metric) for one in found if one.verdict is Verdict.REGRESSED}


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


log_ratios = st.lists(st.one_of(st.floats(-0.3, 0.3), st.sampled_from([0.0, 0.1])), min_size=1, max_size=40)


@EXAMPLES
@given(log_ratios, st.floats(1e-4, 0.1), st.floats(1, 20))
def test_a_larger_alpha_finds_every_regression_that_a_smaller_one_finds(shifts, alpha, factor):
    """Holm's procedure needs it, though the first look may be conclusive in another way."""
    found = [judge(shifts, error, 40).verdict for error in (alpha, alpha * factor)]
    assert found[0] is not Verdict.REGRESSED or found[1] is Verdict.REGRESSED


def test_a_look_that_saw_a_regression_goes_before_an_earlier_one_that_did_not():
    first = plan_looks(0.025, 60)[0].trials
    shifts = [0.0] * first + [0.1] * (60 - first)
    assert judge(shifts[:first], 0.025, 60).verdict is Verdict.CLEAN
    assert judge(shifts, 0.025, 60).verdict is Verdict.REGRESSED


def judge(shifts, alpha, max_trials):
    zeros = [0.0] * len(shifts)
    old, new = ({metric: [10 * exp(value) for value in values] for metric in JUDGED} for values in (zeros, shifts))
    pair = row("torch", new, old)
    return by_pairs.judge("torch", pair, METRICS["epoch_seconds"], AGAINST["epoch_seconds"], max_trials, alpha)


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


# Whole sessions: three benchmarks, three metrics


@pytest.mark.parametrize("noise", NOISES)
def test_identical_code_gives_a_false_alarm_in_at_most_5_percent_of_sessions(noise):
    count = regressed(simulate(noise, 20_000)).any((1, 2)).sum()
    print(f"{noise}, identical: {count / 20_000:.4f} of 20000 sessions with a false alarm")
    assert at_most(count, 20_000, FAMILY_ERROR)


@pytest.mark.parametrize("noise", NOISES)
def test_so_does_a_slowdown_of_exactly_the_margin_in_every_comparison(noise):
    count = regressed(simulate(noise, 20_000, LIMITS)).any((1, 2)).sum()
    print(f"{noise}, at the margin: {count / 20_000:.4f} of 20000 sessions with a false alarm")
    assert at_most(count, 20_000, FAMILY_ERROR)


def test_sessions_that_spend_their_whole_error_on_every_comparison_give_more():
    found = regressed(simulate("normal", 20_000, LIMITS), share=9)
    assert not at_most(found.any((1, 2)).sum(), 20_000, FAMILY_ERROR)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("slower", [0.0, LIMITS, LIMITS + 0.03], ids=["identical", "at the margin", "slower"])
def test_judge_session_says_what_these_simulations_say(noise, slower):
    """But for what Holm's later steps add once there is a regression."""
    sides = simulate(noise, 40, slower)
    for number, expected in enumerate(regressed(sides)):
        said = alarms(judge_session(rows_of(sides[:, number])))
        first = {(SUBJECTS[row], JUDGED[column]) for row, column in zip(*np.nonzero(expected))}
        assert first <= said
        assert {metric for _, metric in said} == {metric for _, metric in first}


@pytest.mark.parametrize(("slower", "least"), [(1.05, 0.90), (1.10, 0.99)])
def test_a_slowdown_is_caught(slower, least):
    found = regressed(simulate("normal", 20_000, log(slower)))[:, :, 0]  # of the epochs, as if they were alone
    print(f"slower by {slower - 1:.0%}, sd {SD:.1%}: caught in {found.mean():.4f} of {found.size} comparisons")
    assert at_least(found.sum(), found.size, least)


@pytest.mark.parametrize("slower", [0.0, LIMITS], ids=["identical", "at the margin"])
def test_stopping_as_a_session_does_adds_no_false_alarm(slower):
    sides = simulate("normal", SESSIONS, slower)
    count = trials = 0
    for number in range(SESSIONS):
        session = sides[:, number]
        rows = {name: stopped(session, name) for name in SUBJECTS}
        said = alarms(judge_session(rows))
        assert said <= alarms(judge_session(rows_of(session)))
        count, trials = count + bool(said), trials + sum(len(found.trials) for found in rows.values())
    used = trials / SESSIONS / len(SUBJECTS)
    print(f"stopping, shift {np.max(slower):.3f}: {count} of {SESSIONS} with a false alarm, {used:.1f} trials")
    assert at_most(count, SESSIONS, FAMILY_ERROR)


def stopped(session, subject):
    for trials in range(1, MAX_TRIALS + 1):
        found = rows_of(session, trials)[subject]
        if not by_pairs.is_open(subject, found, FAMILY, MAX_TRIALS):
            return found
    return found


def test_memory_is_compared_by_a_source_that_both_sides_have_of_their_own():
    """What a device holds altogether is neither side's while both are on it."""

    def side(**ledger):
        return Row("torch", "gpu:A", {}, tuple(Trial(Memory(**ledger)) for _ in range(MAX_TRIALS)))

    def compared(new, old):
        pair = replace(side(**new), against=Against("other", side(**old), ()))
        return by_pairs.judge("torch", pair, METRICS[MEMORY], AGAINST[MEMORY], MAX_TRIALS, ALPHA[MEMORY])

    gib = 2**30
    delta, process = "nvml_device_delta_peak_bytes", "nvml_process_peak_bytes"
    assert compared({delta: 3 * gib}, {delta: gib}).verdict is Verdict.MISSING
    assert compared({process: 3 * gib}, {delta: gib}).verdict is Verdict.MISSING
    found = compared({"allocator_peak_bytes": gib, process: 3 * gib}, {process: 2 * gib})
    assert (found.verdict, found.new) == (Verdict.REGRESSED, pytest.approx(3 * gib)), "not the allocator's with NVML's"


def test_no_trial_is_run_that_no_look_would_use():
    last = max(plan_looks(alpha, MAX_TRIALS)[-1].trials for alpha in ALPHA.values())
    open_ones = simulate("normal", 1, LIMITS)[:, 0]
    for trials in range(1, MAX_TRIALS + 1):
        cut = rows_of(open_ones, trials)["torch"]
        assert by_pairs.is_open("torch", cut, FAMILY, MAX_TRIALS) == (trials < last)
