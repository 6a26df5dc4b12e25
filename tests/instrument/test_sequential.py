"""The gate against another environment: no more false alarms than it says, whatever the noise, and slowdowns found.

Simulated rates are printed (``-s``); each is held against its bound with three standard errors of the simulation. Every
kind of noise goes the way of a real machine: sessions of unchanged code are calibrated, and what the calibration makes
of them decides how later sessions are judged.
"""

import re
from dataclasses import replace
from functools import cache
from math import exp

import numpy as np
import pytest
from made_up import AGAINST, JUDGED, METRICS, at_least, at_most, family, row
from properties import EXAMPLES, given, st
from scipy.stats import norm

from pytest_duet.judge import by_pairs, more_trials, sequential
from pytest_duet.judge.calibration import MOST_DEGREES, inflation, is_normal
from pytest_duet.judge.paired import plan_looks
from pytest_duet.judge.sequential import UNKNOWN, Noise
from pytest_duet.judge.verdict import CLEAN_ERROR, FAMILY_ERROR
from pytest_duet.record.calibrations import Calibrated
from pytest_duet.record.comparison import Verdict
from pytest_duet.record.margins import Margin
from pytest_duet.record.metrics import MEMORY
from pytest_duet.record.row import Against, Row
from pytest_duet.trials.blocks import Block
from pytest_duet.trials.trial import Memory, Trial

SUBJECTS = ("jax", "keras", "torch")
MAX_TRIALS = 16
SESSIONS, CALIBRATIONS = 4_000, 40
SD = 0.011  # of a trial's ratio
WAYS = {"not at all": (), "by few": (3, 5), "by many": (10, 6)}  # sessions and trials of a calibration
BY_MANY = Noise(SD, MOST_DEGREES, 1.27)  # what many trials say where neighbours are not alike
FAMILY = family(SUBJECTS, AGAINST)
ALPHA = {name: FAMILY.alpha(METRICS[name]) for name in JUDGED}


def autoregressive(rng, shape, alike):
    noise = rng.standard_normal(shape)
    for trial in range(1, shape[-1]):
        noise[..., trial] = alike * noise[..., trial - 1] + (1 - alike**2) ** 0.5 * noise[..., trial]
    return SD * noise


NOISES = {
    "normal": lambda rng, shape: SD * rng.standard_normal(shape),
    "heavy-tailed": lambda rng, shape: SD / 3**0.5 * rng.standard_t(3, shape),
    "bimodal": lambda rng, shape: 0.02 * rng.choice([-1, 1], shape) + 0.003 * rng.standard_normal(shape),
    "few turns": lambda rng, shape: SD / 3**0.5 * np.median(rng.standard_t(3, (*shape, 3)), axis=-1),
    "one in ten is slow": lambda rng, shape: 0.05 * (rng.random(shape) < 0.1) + SD * rng.standard_normal(shape),
    "neighbours alike, 0.3": lambda rng, shape: autoregressive(rng, shape, 0.3),
    "neighbours alike, 0.5": lambda rng, shape: autoregressive(rng, shape, 0.5),
}
CENTRES = {"one in ten is slow": SD * norm.ppf(0.5 / 0.9)}  # its median, which order statistics are of


def calibrate(rng, noise, sessions, trials):
    """Return what a calibration by so many sessions says; None where nothing may be assumed."""
    sessions = [list(session) for session in NOISES[noise](rng, (sessions, trials))]
    shifts = [shift for session in sessions for shift in session]
    degrees = min(len(shifts) - 1, MOST_DEGREES)
    return Noise(float(np.std(shifts, ddof=1)), degrees, inflation(sessions)) if is_normal(shifts) else None


def accused(shifts, alpha, noise):
    """Return which of these trials, of each session, less the margin, are called regressed at any look."""
    found = np.zeros(shifts.shape[0], bool)
    if noise is None:
        for look in plan_looks(alpha, MAX_TRIALS):
            found |= (shifts[:, : look.trials] <= 0).sum(-1) <= look.drop
        return found
    for trials in sequential.looks(MAX_TRIALS):
        seen = shifts[:, :trials]
        today, mean = seen.var(-1) * trials / (trials - noise.inflated(trials) ** 2), seen.mean(-1)
        reach = [_reach(today, alpha, trials, replace(noise, degrees=degrees)) for degrees in (noise.degrees, 0)]
        larger = today > noise.deviation**2 * sequential._largest(trials - 1, noise.degrees) if noise.degrees else True
        found |= mean > np.where(larger, reach[1], reach[0])
    return found


def _reach(today, alpha, trials, noise):
    pooled = (noise.degrees * noise.deviation**2 + (trials - 1) * today) / (noise.degrees + trials - 1)
    deviation = np.maximum(np.sqrt(pooled), sequential.LEAST_SCATTER) * noise.inflated(trials)
    return sequential.quantile(alpha, MAX_TRIALS, trials, noise.degrees) * deviation / trials**0.5


# The level of a look


@pytest.mark.parametrize("degrees", [0, 30])
@pytest.mark.parametrize("alpha", [0.05, 0.0125, 0.025 / 3])
def test_all_looks_together_spend_no_more_than_alpha_and_nearly_that(alpha, degrees):
    rng = np.random.default_rng(7)
    shifts = rng.standard_normal((40_000, MAX_TRIALS))
    known = np.sqrt(rng.chisquare(30, 40_000) / 30) if degrees else np.ones(40_000)
    crossed = np.zeros(40_000, bool)
    for trials in sequential.looks(MAX_TRIALS):
        seen = shifts[:, :trials]
        pooled = (degrees * known**2 + (trials - 1) * seen.var(-1, ddof=1)) / (degrees + trials - 1)
        reach = sequential.quantile(alpha, MAX_TRIALS, trials, degrees) * np.sqrt(pooled / trials)
        crossed |= seen.mean(-1) > reach
    print(f"alpha {alpha:.4f}, {degrees} degrees: {crossed.mean():.4f} spent")
    assert at_most(crossed.sum(), len(crossed), alpha)
    assert at_least(crossed.sum(), len(crossed), 0.8 * alpha)


@pytest.mark.parametrize("degrees", [0, 30])
@pytest.mark.parametrize("max_trials", [1, 3, 4, 5, 16, 40])
def test_a_larger_alpha_has_a_higher_level(max_trials, degrees):
    """Holm's procedure needs it."""
    levels = [sequential.level(alpha, max_trials, degrees) for alpha in (1e-9, 1e-4, 9.9e-4, 1e-3, 0.01, 0.05, 0.3)]
    assert levels == sorted(levels)
    assert all(level <= alpha for level, alpha in zip(levels, (1e-9, 1e-4, 9.9e-4, 1e-3, 0.01, 0.05, 0.3)))


def test_trials_that_agree_by_chance_are_not_taken_at_that():
    (low, high), *_ = sequential.intervals([0.0, 1e-9, 0.0, 1e-9], 0.05, MAX_TRIALS)
    assert high - low > sequential.LEAST_SCATTER


def test_a_calibration_that_today_contradicts_is_left_out():
    calm, wild = [0.01, -0.01, 0.01, -0.01], [0.1, -0.1, 0.1, -0.1]
    known = Noise(0.01, 30)
    assert sequential.scatter(calm, known)[1] == 30
    assert sequential.scatter(wild, known) == sequential.scatter(wild, UNKNOWN)


# Whole sessions: three benchmarks, three metrics


@cache
def false_alarms(noise):
    """Return in how many of ``SESSIONS`` something is accused, all at the margin's edge, by how they are judged."""
    rng = np.random.default_rng(1)
    shifts = NOISES[noise](rng, (CALIBRATIONS, SESSIONS // CALIBRATIONS, len(SUBJECTS), len(JUDGED), MAX_TRIALS))
    shifts -= CENTRES.get(noise, 0.0)
    counts = dict.fromkeys(WAYS, 0)
    for sessions in shifts:
        any_of = {way: np.zeros(len(sessions), bool) for way in WAYS}
        for subject in range(len(SUBJECTS)):
            for metric, name in enumerate(JUDGED):
                for way, shape in WAYS.items():
                    known = calibrate(rng, noise, *shape) if shape else None
                    any_of[way] |= accused(sessions[:, subject, metric], ALPHA[name], known)
        counts = {way: counts[way] + int(found.sum()) for way, found in any_of.items()}
    return counts


@pytest.mark.parametrize("way", ["by few", "by many"])
@pytest.mark.parametrize("noise", NOISES)
def test_at_the_margin_at_most_5_percent_of_calibrated_sessions_accuse(noise, way):
    count = false_alarms(noise)[way]
    print(f"{noise}: {count / SESSIONS:.4f} of {SESSIONS} sessions with a false alarm, calibrated {way}")
    assert at_most(count, SESSIONS, FAMILY_ERROR)


@pytest.mark.parametrize("noise", [noise for noise in NOISES if "alike" not in noise])
def test_so_do_uncalibrated_ones_whose_trials_are_independent(noise):
    count = false_alarms(noise)["not at all"]
    print(f"{noise}: {count / SESSIONS:.4f} of {SESSIONS} uncalibrated sessions with a false alarm")
    assert at_most(count, SESSIONS, FAMILY_ERROR)


def test_where_neighbours_are_alike_it_is_the_calibration_that_helps():
    assert false_alarms("neighbours alike, 0.5")["not at all"] > 2 * FAMILY_ERROR * SESSIONS


def test_of_bimodal_noise_a_normal_interval_would_accuse_too_many():
    rng = np.random.default_rng(1)
    shifts = NOISES["bimodal"](rng, (SESSIONS, MAX_TRIALS))
    assert calibrate(rng, "bimodal", *WAYS["by few"]) is None, "the fallback takes over"
    assert not at_most(accused(shifts, 0.0125, UNKNOWN).sum(), SESSIONS, 0.0125)


def rows_of(shifts, trials=None):
    """Return the rows of one session, ``{subject: row}``, of logarithms by subject, metric and trial."""
    units = np.array([10.0, 1e9, 10.0])[:, None]
    old = units * np.ones(shifts.shape[1:])
    return {
        subject: row(
            subject,
            dict(zip(JUDGED, (old * np.exp(of_subject))[:, :trials])),
            dict(zip(JUDGED, old[:, :trials])),
        )
        for subject, of_subject in zip(SUBJECTS, shifts)
    }


def known_for(noise):
    """Return calibrations that say of every comparison what ``noise`` does."""
    one = Calibrated("", "", noise.deviation, 0, 0.0, 0.0, noise.deviation, noise.degrees, noise.inflation)
    return {(name, metric): replace(one, benchmark=name, metric=metric) for name in SUBJECTS for metric in JUDGED}


@pytest.mark.parametrize("noise", [None, Noise(SD, 30), Noise(SD, 30, 1.3)], ids=["unknown", "known", "inflated"])
@pytest.mark.parametrize("slower", [0.0, 0.03, 0.06])
def test_judge_session_says_what_these_simulations_say(noise, slower):
    """But for what Holm's later steps add once there is a regression."""
    rng = np.random.default_rng(3)
    edges = np.log([AGAINST[name].ratio(unit) for name, unit in zip(JUDGED, (10.0, 1e9, 10.0))])[:, None]
    for _ in range(8):
        shifts = slower + edges + SD * rng.standard_normal((len(SUBJECTS), len(JUDGED), MAX_TRIALS))
        said = by_pairs.judge_session(rows_of(shifts), FAMILY, MAX_TRIALS, known_for(noise) if noise else {})
        regressed = {(one.benchmark, one.metric) for one in said if one.verdict is Verdict.REGRESSED}
        first = {
            (subject, metric)
            for subject, of_subject in zip(SUBJECTS, shifts)
            for metric, edge, shift in zip(JUDGED, edges, of_subject)
            if accused(shift[None] - edge, ALPHA[metric], noise)[0]
        }
        assert first <= regressed
        assert {metric for _, metric in regressed} == {metric for _, metric in first}


def sessions_until_decided(noise, slower, count=80):
    """Return the verdicts on torch's time, and the trials that they took, of sessions that stop as real ones do."""
    rng = np.random.default_rng(6)
    known = known_for(noise) if noise else {}
    verdicts, trials = [], []
    for _ in range(count):
        shifts = np.log(slower) + SD * rng.standard_normal((len(SUBJECTS), len(JUDGED), MAX_TRIALS))
        for number in range(1, MAX_TRIALS + 1):
            found = rows_of(shifts, number)["torch"]
            if not more_trials.is_open("torch", found, FAMILY, MAX_TRIALS, known):
                break
        time = next(metric for metric in FAMILY.judged if metric.turns)
        margin = FAMILY.margins["torch"][time.name]
        verdicts.append(by_pairs.judge("torch", found, time, margin, MAX_TRIALS, known, FAMILY.alpha(time, 1)).verdict)
        trials.append(number)
    return verdicts, trials


@pytest.mark.parametrize(
    ("slower", "verdict", "most"),
    [(1.0, Verdict.CLEAN, 6), (1.05, Verdict.REGRESSED, 5), (1.1, Verdict.REGRESSED, 4)],
)
def test_a_calibrated_machine_decides_in_a_few_trials(slower, verdict, most):
    verdicts, trials = sessions_until_decided(BY_MANY, slower)
    share = verdicts.count(verdict) / len(verdicts)
    print(f"slower by {slower - 1:.0%}: {share:.1%} {verdict}, median of {np.median(trials):g} trials")
    assert share > 0.97
    assert np.median(trials) <= most


def test_an_uncalibrated_one_decides_later_and_as_rightly():
    for slower, verdict in ((1.0, Verdict.CLEAN), (1.05, Verdict.REGRESSED)):
        verdicts, trials = sessions_until_decided(None, slower, 60)
        print(f"slower by {slower - 1:.0%}: {verdicts.count(verdict)} of 60 {verdict}, median {np.median(trials):g}")
        assert verdicts.count(verdict) > 50
        assert 6 <= np.median(trials) <= 12


def test_what_cannot_be_decided_is_given_up_and_says_what_it_would_take():
    shifts = 0.0195 + 0.02 * np.tile([1.0, -1.0], (len(SUBJECTS), len(JUDGED), MAX_TRIALS // 2))
    known = known_for(Noise(0.02, 30))
    assert more_trials.is_open("torch", rows_of(shifts, 4)["torch"], FAMILY, MAX_TRIALS, known)
    assert not more_trials.is_open("torch", rows_of(shifts, 8)["torch"], FAMILY, MAX_TRIALS, known)
    found = by_pairs.judge_session(rows_of(shifts, 8), FAMILY, MAX_TRIALS, known)
    (one,) = [one for one in found if (one.benchmark, one.metric) == ("torch", "epoch_seconds")]
    assert one.needs > 2 * MAX_TRIALS
    assert f"more trials like these would decide it, where --max-trials allows {MAX_TRIALS} in all." in one.note


def memory_of(scatter, known, margin=AGAINST[MEMORY], count=4):
    """Return the comparison of a memory whose trials scatter so, beside times that are decided."""
    rng = np.random.default_rng(8)
    shifts = np.zeros((len(SUBJECTS), len(JUDGED), count))
    shifts[:, JUDGED.index(MEMORY)] = scatter * rng.standard_normal((len(SUBJECTS), count))
    found = rows_of(shifts, count)["torch"]
    found = replace(found, against=replace(found.against, blocks=tuple(burst_in(1.0, 0.0) for _ in range(count))))
    return by_pairs.judge("torch", found, METRICS[MEMORY], margin, MAX_TRIALS, known, ALPHA[MEMORY])


def test_what_no_trials_are_run_for_has_the_margin_that_a_calibration_earned():
    known = known_for(Noise(0.02, 30))
    one = memory_of(0.02, known)
    assert one.verdict is Verdict.CLEAN and 1.03 < one.margin < 1.06
    assert f"its margin, {one.margin - 1:.1%}, is what 4 trials decide: they scatter by 2.0% here." in one.note
    asked = memory_of(0.02, known, Margin(0.01))
    assert asked.verdict is Verdict.INCONCLUSIVE and asked.margin == 1.01, "a margin that somebody gave stays"
    assert memory_of(0.001, known_for(Noise(0.001, 30))).margin == memory_of(0.001, {}).margin


def test_it_is_not_shown_as_if_more_trials_could_decide_it():
    one = memory_of(0.02, {}, Margin(0.001), count=8)
    assert one.verdict is Verdict.INCONCLUSIVE and not one.needs and "more trials" not in one.note
    enough = float(re.search(r"`--gate-margin peak_memory_bytes=([\d.]+)%` would let these", one.note)[1])
    assert memory_of(0.02, {}, Margin(enough / 100), count=8).verdict is Verdict.CLEAN
    assert memory_of(0.02, {}, Margin(enough / 100 - 0.002), count=8).verdict is Verdict.INCONCLUSIVE


def test_time_waits_for_no_other_metric():
    shifts = np.zeros((len(SUBJECTS), len(JUDGED), MAX_TRIALS))
    shifts[:, JUDGED.index(MEMORY)] = np.tile([0.3, -0.3], MAX_TRIALS // 2)
    assert not more_trials.is_open("torch", rows_of(shifts, 6)["torch"], FAMILY, MAX_TRIALS, known_for(Noise(SD, 30)))
    assert not more_trials.is_open("torch", rows_of(shifts, MAX_TRIALS)["torch"], FAMILY, MAX_TRIALS)


log_ratios = st.lists(st.one_of(st.floats(-0.3, 0.3), st.sampled_from([0.0, 0.1])), min_size=1, max_size=40)


@EXAMPLES
@given(log_ratios, st.floats(1e-4, 0.1), st.floats(1, 20), st.booleans(), st.sampled_from([None, 0.0, 0.2, -0.2, 1.0]))
def test_a_larger_alpha_finds_every_regression_that_a_smaller_one_finds(shifts, alpha, factor, calibrated, burst):
    """Holm's procedure needs it, though the first look may be conclusive in another way.

    :param burst: by what share one block of each trial is slower than the others; None for trials without blocks.
    """
    known = known_for(Noise(SD, 30)) if calibrated else {}
    blocks = () if burst is None else tuple(burst_in(exp(shift), burst) for shift in shifts)
    found = [judge(shifts, error, blocks, known).verdict for error in (alpha, min(alpha * factor, 0.3))]
    assert found[0] is not Verdict.REGRESSED or found[1] is Verdict.REGRESSED


def judge(shifts, alpha=0.025, blocks=(), known=None, **fields):
    zeros = [0.0] * len(shifts)
    old, new = ({metric: [10 * exp(value) for value in values] for metric in JUDGED} for values in (zeros, shifts))
    pair = row("torch", new, old)
    pair = replace(pair, against=replace(pair.against, blocks=blocks, **fields))
    known = known_for(Noise(SD, 30)) if known is None else known
    return by_pairs.judge("torch", pair, METRICS["epoch_seconds"], AGAINST["epoch_seconds"], 40, known, alpha)


def burst_in(ratio, burst):
    calm = [Block(ratio * wobble, 1.0, ratio / wobble, 1.0) for wobble in (0.97, 0.98, 1.01, 1.02)]
    return (*calm, Block(ratio * (1 + burst), 1.0, ratio * (1 + burst), 1.0))


# Two figures of one trial


def trial_of(new_steps, every=None, order=0.0, count=40):
    """Return a trial's blocks, of ten steps each; every so many-th of them has ``new_steps`` more on the new side."""
    rng = np.random.default_rng(count + int(1000 * order))
    blocks = []
    for number in range(count):
        extra = new_steps if every is None or number % every == 0 else 0
        n, o, m, p = (10 * np.exp(0.02 * rng.standard_normal(4))).tolist()
        blocks.append(Block((n + extra) * exp(order), o, m + extra, p * exp(order)))
    return tuple(blocks)


def test_a_step_that_is_slow_now_and_then_is_caught_by_all_of_the_time():
    """In every fifth block 5 steps more a turn: 10 % of the time, of which most of the trial knows nothing."""
    found = judge([0.0] * 6, blocks=(trial_of(5, every=5),) * 6)
    assert found.verdict is Verdict.REGRESSED
    assert found.low > 1.02


def test_what_most_of_the_trial_says_is_not_believed_where_all_of_the_time_says_otherwise():
    """Slower in most blocks, and as much faster in the others: nobody can tell what that means to a user."""
    slow, fast = trial_of(0.5), trial_of(-1.4)
    blocks = tuple(block for five in range(8) for block in (*slow[5 * five : 5 * five + 4], fast[five]))
    found = judge([0.0] * 6, blocks=(blocks,) * 6)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "most turns changed by" in found.note and "now and then" in found.note


def test_both_agree_about_what_is_clean():
    found = judge([0.0] * 6, blocks=(trial_of(0),) * 6, wall_seconds=(10.0,) * 6)
    assert (found.verdict, found.note, found.alpha) == (Verdict.CLEAN, "", CLEAN_ERROR)


def test_open_is_only_how_much_better_it_is_where_both_say_that_it_is_no_worse():
    better = judge([0.0] * 6, blocks=(trial_of(-0.2),) * 6)
    assert (better.verdict, better.no_worse) == (Verdict.INCONCLUSIVE, True)
    assert better.note.startswith("It is no worse than its margin allows")
    halves = (*trial_of(-0.2)[:32], *trial_of(1.6)[32:])  # most as before, and all of the time 1.6 % above that
    bursts = judge([0.0] * 6, blocks=(halves,) * 6)
    assert (bursts.verdict, bursts.no_worse) == (Verdict.INCONCLUSIVE, False)
    assert "no worse" not in bursts.note


def test_what_going_first_costs_and_what_was_odd_is_said():
    found = judge([0.0] * 6, blocks=(trial_of(0, order=0.05),) * 6, remarks=("processes 1, 2 could not be stopped.",))
    assert "going first costs +4.8%" in found.note
    assert "processes 1, 2 could not be stopped." in found.note


@pytest.mark.parametrize(("slower", "end"), [(0.3, "."), (0.4, ", where --max-trials allows 40 in all.")])
def test_an_open_answer_says_how_much_longer_it_would_take(slower, end):
    found = judge([0.0] * 4, blocks=(trial_of(0), trial_of(slower)) * 2, wall_seconds=(10.0,) * 4)
    assert found.verdict is Verdict.INCONCLUSIVE
    said = f"{found.needs - 4} more trials like these, about {10 * (found.needs - 4)} s, would decide it{end}"
    assert said in found.note


def test_memory_is_compared_by_a_source_that_both_sides_have_of_their_own():
    """What a device holds altogether is neither side's while both are on it."""

    def side(**ledger):
        return Row("torch", "gpu:A", {}, tuple(Trial(Memory(**ledger)) for _ in range(MAX_TRIALS)))

    def compared(new, old):
        pair = replace(side(**new), against=Against("other", side(**old), ()))
        return by_pairs.judge("torch", pair, METRICS[MEMORY], AGAINST[MEMORY], MAX_TRIALS, {}, ALPHA[MEMORY])

    gib = 2**30
    delta, process = "nvml_device_delta_peak_bytes", "nvml_process_peak_bytes"
    assert compared({delta: 3 * gib}, {delta: gib}).verdict is Verdict.MISSING
    assert compared({process: 3 * gib}, {delta: gib}).verdict is Verdict.MISSING
    found = compared({"allocator_peak_bytes": gib, process: 3 * gib}, {process: 2 * gib})
    assert (found.verdict, found.new) == (Verdict.REGRESSED, pytest.approx(3 * gib)), "not the allocator's with NVML's"
