"""What a comparison may say, how many may say it by mistake, and what does not matter."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
from made_up import AGAINST, HISTORY, JUDGED, METRICS, at_least, at_most, family, row
from properties import EXAMPLES, given, st
from scipy.stats import norm

from pytest_duet.errors import DuetError
from pytest_duet.judge import by_history, by_pairs
from pytest_duet.judge.verdict import (
    CLEAN_ERROR,
    FAMILY_ERROR,
    holm,
    step_up,
    void_where_exact_changed,
    without_common_mode,
)
from pytest_duet.judge.verdict import judged as judged_by
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.lookback import Lookback
from pytest_duet.record.margins import Margin, parse_margin, read_margins
from pytest_duet.record.metrics import Metric

REGRESSED, IMPROVED, CLEAN, INCONCLUSIVE = Verdict.REGRESSED, Verdict.IMPROVED, Verdict.CLEAN, Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.06, 1.20, REGRESSED),
        (1.05, 1.20, INCONCLUSIVE),  # the margin itself does not matter
        (1.04, 1.06, INCONCLUSIVE),
        (1.01, 1.05, CLEAN),
        (1.05, 1.05, CLEAN),
        (0.99, 1.01, CLEAN),
        (1 / 1.05, 1.05, CLEAN),
        (1 / 1.05, 1 / 1.05, CLEAN),
        (0.90, 1.0, INCONCLUSIVE),
        (0.90, 1 / 1.05, INCONCLUSIVE),
        (0.80, 0.95, IMPROVED),
        (0.50, 2.0, INCONCLUSIVE),  # it knows nothing
    ],
)
def test_a_verdict_takes_the_whole_interval(low, high, verdict):
    assert verdict_on((low, high)) is verdict


def verdict_on(*looks, plain=None):
    """Return the verdict on the intervals of some looks, those that may accuse and those that may not alike."""
    one = Comparison("b", "s", "epoch_seconds", INCONCLUSIVE, margin=1.05)
    return judged_by(one, looks, looks if plain is None else plain, 0.01).verdict


MIRRORED = {REGRESSED: IMPROVED, IMPROVED: REGRESSED, CLEAN: CLEAN, INCONCLUSIVE: INCONCLUSIVE}
ratios = st.floats(0.5, 2).filter(lambda ratio: abs(abs(log(ratio)) - log(1.05)) > 1e-9)


@EXAMPLES
@given(ratios, ratios)
def test_swapping_new_and_old_swaps_regressed_and_improved(one, other):
    low, high = sorted((one, other))
    assert verdict_on((1 / high, 1 / low)) is MIRRORED[verdict_on((low, high))]


def test_a_regression_at_any_look_goes_before_whatever_another_one_saw():
    assert verdict_on((0.99, 1.01), (1.06, 1.07)) is REGRESSED
    assert verdict_on((1.06, 1.07), (0.99, 1.01)) is REGRESSED


def test_only_the_strict_intervals_accuse_and_the_others_call_clean():
    assert verdict_on((1.0, 1.2), plain=[(1.06, 1.1)]) is INCONCLUSIVE
    assert verdict_on((0.9, 1.1), plain=[(0.98, 1.02)]) is CLEAN


def test_a_comparison_says_which_error_its_verdict_has_and_what_could_have_been_seen():
    one = Comparison("b", "s", "epoch_seconds", INCONCLUSIVE, margin=1.05)
    clean = judged_by(one, [(1 / 1.1, 1.1)], [(0.98, 1.02)], 0.01)
    assert (clean.low, clean.high, clean.alpha) == (0.98, 1.02, CLEAN_ERROR)
    assert clean.visible == pytest.approx(1.05 * 1.1), "by the interval that may accuse"
    regressed = judged_by(one, [(1.06, 1.2)], [(1.08, 1.18)], 0.01)
    assert (regressed.low, regressed.high, regressed.alpha) == (1.06, 1.2, 0.01)


@pytest.mark.parametrize(
    ("strict", "plain", "no_worse"),
    [
        ([(0.9, 1.0)], [(0.91, 0.99)], True),
        ([(0.9, 1.06)], [(0.92, 1.04)], True),  # with the error that clean has
        ([(0.9, 1.1)], [(0.92, 1.06)], False),
        ([(0.9, 1.1), (0.91, 1.04)], [(0.9, 1.1), (0.9, 1.1)], True),
        ([(0.8, 0.9)], [(0.8, 0.9)], False),  # improved, which says more
        ([(0.98, 1.01)], [(0.98, 1.01)], False),  # and clean is clean
    ],
)
def test_of_an_open_one_it_is_told_whether_only_how_much_better_it_is_is_open(strict, plain, no_worse):
    one = judged_by(Comparison("b", "s", "epoch_seconds", INCONCLUSIVE, margin=1.05), strict, plain, 0.01)
    assert one.no_worse is no_worse
    assert one.surely_no_worse is (no_worse or one.verdict in (IMPROVED, CLEAN))


# Holm's procedure


def by_p_value(p):
    return lambda alpha: Comparison("b", "s", "epoch_seconds", REGRESSED if p <= alpha else INCONCLUSIVE, alpha=alpha)


def judged(p_values):
    return holm([by_p_value(p) for p in p_values], 0.05)


def rejected(p_values):
    return [one.verdict is REGRESSED for one in judged(p_values)]


def test_holm_s_procedure_on_a_textbook_s_example():
    """0.005 <= 0.05 / 4 and 0.01 <= 0.05 / 3, but 0.03 > 0.05 / 2: there it stops, and 0.04 is not asked alone."""
    assert rejected([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]


def test_every_comparison_says_at_which_alpha_it_was_judged_last():
    found = judged([0.015, 0.04, 0.03, 0.005])
    assert [one.alpha for one in found] == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4])


def test_it_goes_on_past_what_bonferroni_would_leave():
    assert rejected([0.012, 0.016, 0.024, 0.049]) == [True, True, True, True]


def test_there_may_be_nothing_to_judge():
    assert judged([]) == []


@EXAMPLES
@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=8))
def test_it_rejects_what_its_definition_says(p_values):
    expected, order = [False] * len(p_values), sorted(range(len(p_values)), key=p_values.__getitem__)
    for place, number in enumerate(order):
        if p_values[number] > 0.05 / (len(p_values) - place):
            break
        expected[number] = True
    assert rejected(p_values) == expected


@pytest.mark.parametrize("slower", [0, 3], ids=["nothing slower", "three of six slower"])
def test_simulated_any_false_alarm_of_a_family_has_probability_alpha_at_most(slower):
    p_values = np.random.default_rng(4).random((5_000, 6))
    p_values[:, :slower] *= 1e-3
    count = sum(any(rejected(list(found))[slower:]) for found in p_values)
    print(f"Holm, {slower} of 6 slower: {count / 5_000:.4f} of 5000 families with a false alarm")
    assert at_most(count, 5_000, 0.05)
    assert at_least(count, 5_000, 0.045), "nearly all of it is used"


def test_without_it_a_family_of_six_has_far_more():
    found = np.random.default_rng(4).random((5_000, 6)) <= 0.05
    assert not at_most(found.any(1).sum(), 5_000, 0.05)


# The share of false alarms


def found_together(p_values, alpha=0.05):
    return [one.verdict is REGRESSED for one in step_up([by_p_value(p) for p in p_values], alpha)]


def test_the_step_up_procedure_on_an_example():
    """Over 1 + 1/2 + 1/3 + 1/4: the bounds are 0.006, 0.012, 0.018 and 0.024, and 0.017 brings 0.013 along."""
    assert found_together([0.013, 0.004, 0.017, 0.2]) == [True, True, True, False]
    assert found_together([0.013, 0.004, 0.019, 0.2]) == [False, True, False, False]
    assert found_together([0.03]) == [True]
    assert found_together([]) == []


def test_it_finds_more_in_a_large_suite_and_holds_its_share():
    """100 benchmarks, ten of them slower, and what is noise is in part the same for all."""
    rng = np.random.default_rng(4)
    shares, found, by_holm = [], 0, 0
    for _ in range(150):
        z = 0.5**0.5 * (rng.standard_normal(100) + rng.standard_normal())
        z[:10] += 4
        p_values = norm.sf(z)
        said = np.array(found_together(p_values))
        shares.append(said[10:].sum() / max(said.sum(), 1))
        found += said[:10].sum()
        by_holm += sum(one.verdict is REGRESSED for one in holm([by_p_value(p) for p in p_values[:]], 0.05)[:10])
    print(f"share {np.mean(shares):.4f}; found {found / 1500:.2f} of the slower, by Holm {by_holm / 1500:.2f}")
    assert np.mean(shares) <= 0.05
    assert found > by_holm


# The machine


def comparison(name, ratio, spread=0.01, margin=1.05):
    low, high = ratio * (1 - spread), ratio * (1 + spread)
    one = Comparison(name, name, "epoch_seconds", INCONCLUSIVE, 10.0, 10.0 * ratio, margin=margin)
    return judged_by(one, [(low, high)], [(low, high)], 0.01)


def verdicts(*ratios):
    found = without_common_mode([comparison(name, ratio) for name, ratio in zip("abcdefgh", ratios)])
    return [one.verdict for one in found]


def test_where_all_slowed_alike_it_is_the_machine_and_the_factor_is_told():
    found = without_common_mode([comparison("jax", 1.19), comparison("keras", 1.20), comparison("torch", 1.22)])
    assert {one.verdict for one in found} == {Verdict.MACHINE}
    assert all("all 3 benchmarks slowed by the same factor, 1.200" in one.note for one in found)


def test_where_it_cannot_be_told_of_some_whether_they_slowed_no_regression_is_excused_by_them():
    found = without_common_mode(
        [comparison("jax", 1.10), comparison("keras", 1.09, spread=0.1), comparison("torch", 1.11)]
    )
    assert [one.verdict for one in found] == ["regressed", "inconclusive", "regressed"]


def test_one_that_slowed_more_than_the_rest_regressed():
    assert verdicts(1.20, 1.20, 1.35) == [REGRESSED] * 3
    assert verdicts(1.00, 1.01, 1.20) == [CLEAN, CLEAN, REGRESSED]


def test_two_benchmarks_alone_regressed():
    assert verdicts(1.20, 1.20) == [REGRESSED] * 2


def test_improvements_stay_what_they_are():
    assert verdicts(0.80, 0.80, 0.80) == [IMPROVED] * 3
    assert verdicts(0.80, 1.00, 1.20) == [IMPROVED, CLEAN, REGRESSED]


def test_a_slowdown_that_one_benchmark_alone_has_is_not_the_machine_s():
    assert verdicts(1.01, 1.01, 1.059) == [CLEAN, CLEAN, INCONCLUSIVE]
    near = [comparison("a", 1.011, 0.001), comparison("b", 1.012, 0.001), comparison("c", 1.06, 0.001)]
    assert [one.verdict for one in without_common_mode(near)] == [CLEAN, CLEAN, REGRESSED]


def test_benchmarks_that_nothing_is_known_of_neither_help_nor_change():
    unknown = Comparison("new", "new", "epoch_seconds", Verdict.MISSING)
    assert without_common_mode([comparison("a", 1.2), comparison("b", 1.2), unknown])[0].verdict is REGRESSED
    found = without_common_mode([comparison("a", 1.2), unknown, comparison("b", 1.2), comparison("c", 1.2)])
    assert [one.verdict for one in found] == [Verdict.MACHINE, Verdict.MISSING, Verdict.MACHINE, Verdict.MACHINE]


def test_of_history_s_metrics_time_is_the_machine_s_and_memory_the_subject_s():
    def rows(factor):
        return {name: row(name, {metric: [1e9 * factor] * 3 for metric in JUDGED}) for name in "abc"}

    today, back = rows(1.5), Lookback(dict.fromkeys("abc"))
    back.windows = {name: [rows(1.0)[name]] * 8 for name in "abc"}
    found = by_history.judge_session(today, family("abc"), back, 8)
    said = {metric: {one.verdict for one in found if one.metric == metric} for metric in METRICS}
    assert said == {
        "epoch_seconds": {Verdict.MACHINE},
        "first_epoch_seconds": {Verdict.MACHINE},
        "peak_memory_bytes": {REGRESSED},
        "accuracy": {CLEAN},
    }


@pytest.mark.parametrize(("disturbed", "verdict"), [(0, REGRESSED), (1, INCONCLUSIVE)])
def test_a_slow_run_beside_others_work_is_not_called_a_regression(disturbed, verdict):
    """Its memory is: nobody else's work takes any of that."""
    slow, usual = (row("torch", {metric: [1e9 * factor] * 3 for metric in JUDGED}) for factor in (1.5, 1.0))
    back = Lookback({"torch": None})
    back.windows["torch"] = [usual] * 8
    found = by_history.judge_session({"torch": replace(slow, disturbed_trials=disturbed)}, family(["torch"]), back, 8)
    its = {one.metric: one for one in found}
    assert its["epoch_seconds"].verdict is verdict and its["peak_memory_bytes"].verdict is REGRESSED
    assert ("others used the machine beside 1 of 3 trials" in its["epoch_seconds"].note) == bool(disturbed)


# What has to stay the same


def judged_both_ways(pair, metrics=METRICS):
    """Return the comparisons of a row with its other side, by pairs, and with that as history, a list each."""
    back = Lookback({"torch": None})
    back.windows["torch"] = [pair.against.row] * 8
    of = family(["torch"], {name: metric.history for name, metric in metrics.items()}, metrics)
    return (
        by_pairs.judge_session({"torch": pair}, of, 16),
        by_history.judge_session({"torch": pair}, of, back, 8),
    )


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        (0.9312, 0.9312, CLEAN),
        (0.9312, 0.9310, CLEAN),
        (0.9312, 0.9302, CLEAN),  # by the whole tolerance, but for the last bit
        (0.9312, 0.9322, CLEAN),
        (0.9312, 0.9301, REGRESSED),
        (0.9312, 0.92, REGRESSED),
        (0.92, 0.9312, REGRESSED),  # better is not the same either
    ],
)
def test_accuracy_may_differ_by_its_tolerance(old, new, verdict):
    values = dict.fromkeys(JUDGED, (1.0,) * 9)
    for found in judged_both_ways(row("torch", values, values, accuracy=new, old_accuracy=old)):
        (one,) = [one for one in found if one.metric == "accuracy"]
        assert (one.verdict, one.old, one.new) == (verdict, old, new)
        assert (one.low, one.high, one.margin, one.alpha) == (None,) * 4, "there is no interval, and no error to spend"


@pytest.mark.parametrize(("tolerance", "verdict"), [(0.0, REGRESSED), (1.0, CLEAN)])
def test_without_a_tolerance_it_has_to_be_equal(tolerance, verdict):
    metrics = {"answer": Metric("answer", "answer", "", "same", tolerance)}
    for found in judged_both_ways(row("torch", {"answer": [43]}, {"answer": [42]}, metrics=metrics), metrics):
        assert [(one.verdict, one.old, one.new) for one in found] == [(verdict, 42, 43)]


def test_where_it_is_unknown_nothing_is_said_of_it():
    metrics = {"answer": Metric("answer", "answer", "", "same")}
    for new, old in (([None], [42]), ([42], [None]), ([42, None], [42, 42])):
        for found in judged_both_ways(row("torch", {"answer": new}, {"answer": old}, metrics=metrics), metrics):
            assert [one.verdict for one in found] == [Verdict.MISSING]


def test_where_other_work_was_done_the_benchmark_s_other_figures_mean_nothing():
    values = dict.fromkeys(JUDGED, (1.0,) * 9)
    (found, _) = judged_both_ways(row("torch", values, values, accuracy=0.5, old_accuracy=0.9))
    sound = Comparison("jax", "jax", "epoch_seconds", CLEAN)
    said = {(one.benchmark, one.metric): one for one in void_where_exact_changed([*found, sound], METRICS)}
    assert {name: one.verdict for name, one in said.items()} == {
        ("torch", "accuracy"): REGRESSED,
        **{("torch", name): Verdict.VOID for name in JUDGED},
        ("jax", "epoch_seconds"): CLEAN,
    }
    assert said["torch", "epoch_seconds"].note == "its accuracy is not the old one, so it does other work."
    assert void_where_exact_changed([sound], METRICS) == [sound]


# Which way is better

SCATTER = (
    0.99,
    1.0,
    1.01,
    0.995,
    1.005,
    0.998,
    1.002,
    0.993,
    1.007,
)  # of trials: enough of them for an answer by pairs


@pytest.mark.parametrize("unit", ["images/s", ""])
@pytest.mark.parametrize(
    ("better", "factor", "verdict"),
    [
        ("higher", 0.7, REGRESSED),
        ("higher", 1.4, IMPROVED),
        ("higher", 1.0, CLEAN),
        ("lower", 1.4, REGRESSED),
        ("lower", 0.7, IMPROVED),
        ("lower", 1.0, CLEAN),
    ],
)
def test_a_metric_of_one_s_own_is_judged_in_the_direction_that_it_names(better, factor, verdict, unit):
    """No row and no trial has a field for it; a drop of a throughput is a regression, a rise none."""
    metrics = {"rate": Metric("rate", "images a second", unit, better, history=Margin(0.2), against=Margin(0.2))}
    old = [1e3 * scatter for scatter in SCATTER]
    pair = row("torch", {"rate": [factor * value for value in old]}, {"rate": old}, metrics=metrics)
    for found in judged_both_ways(pair, metrics):
        (one,) = found
        assert one.verdict is verdict
        assert (one.old, one.new) == pytest.approx((1e3, factor * 1e3), rel=1e-3), "in its own unit, not turned round"
        worse = factor if better == "lower" else 1 / factor
        assert one.low <= worse * 1.001 and one.high >= worse / 1.001, "around the ratio that is above 1 where worse"


def test_a_margin_is_as_wide_whichever_way_is_better():
    """A fifth less of a throughput is a quarter more time: beyond a margin of 20 %."""
    for better, factor in (("higher", 1 / 1.19), ("lower", 1.19)):
        metrics = {"rate": Metric("rate", "rate", "", better, history=Margin(0.2))}
        pair = row("torch", {"rate": [factor * 1e3] * 9}, {"rate": [1e3] * 9}, metrics=metrics)
        assert [found[0].verdict for found in judged_both_ways(pair, metrics)] == [CLEAN, CLEAN]
        pair = row("torch", {"rate": [factor**2 * 1e3] * 9}, {"rate": [1e3] * 9}, metrics=metrics)
        assert [found[0].verdict for found in judged_both_ways(pair, metrics)] == [REGRESSED, REGRESSED]


@pytest.mark.parametrize("value", [None, 0.0, -1.0, float("inf"), float("nan")])
def test_what_has_no_logarithm_is_not_judged(value):
    metrics = {"rate": Metric("rate", "rate", "", "higher")}
    for new, old in (([1.0, value], [1.0, 1.0]), ([1.0, 1.0], [1.0, value])):
        for found in judged_both_ways(row("torch", {"rate": new}, {"rate": old}, metrics=metrics), metrics):
            assert [one.verdict for one in found] == [Verdict.MISSING]


# Margins


@pytest.mark.parametrize(
    ("text", "unit", "share", "absolute"),
    [
        ("5%", "s", 0.05, 1e-3),
        ("0.5%", "s", 0.005, 1e-3),
        ("2ms", "s", 0.02, 2e-3),
        ("0.5s", "s", 0.02, 0.5),
        ("3%,1s", "s", 0.03, 1.0),
        (" 3 % , 1 s ", "s", 0.03, 1.0),
        ("1s,3%", "s", 0.03, 1.0),
        ("2MiB", "B", 0.02, 2 * 2**20),
        ("1GiB", "B", 0.02, 2**30),
        ("0%,0s", "s", 0.0, 0.0),
    ],
)
def test_a_margin_is_read_and_what_it_leaves_out_is_the_default_s(text, unit, share, absolute):
    assert parse_margin(text, Margin(0.02, 1e-3), unit) == Margin(pytest.approx(share), pytest.approx(absolute))


@pytest.mark.parametrize(
    "text", ["", "5", "%", "-5%", "5%%", "5 percent", "1e3s", "5%;1ms", "5%,", "nan%", "1MB", "1 h"]
)
def test_what_is_no_margin_is_refused_by_name(text):
    with pytest.raises(ValueError, match="is no margin such as"):
        parse_margin(text, Margin(0.02, 1e-3), "s")


def test_lines_of_margins_change_the_defaults_that_they_name():
    defaults = {name: AGAINST[name] for name in JUDGED}
    lines = ["epoch_seconds = 3%, 2ms", "peak_memory_bytes=5MiB"]
    found = read_margins(lines, defaults, METRICS, "--gate-margin")
    assert found == dict(defaults, epoch_seconds=Margin(0.03, 2e-3), peak_memory_bytes=Margin(0.02, 5 * 2**20))
    assert defaults["epoch_seconds"] == Margin(0.02, 1e-3)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("epoch=3%", "'epoch' is none of epoch_seconds, peak_memory_bytes, first_epoch_seconds"),
        ("accuracy=3%", "'accuracy' is none of"),
        ("epoch_seconds", "'' is no margin"),
        ("epoch_seconds=3", "'3' is no margin"),
    ],
)
def test_a_line_that_is_wrong_is_told_with_the_place_where_it_stands(line, why):
    with pytest.raises(DuetError) as error:
        read_margins([line], {name: AGAINST[name] for name in JUDGED}, METRICS, "--gate-margin")
    assert str(error.value).startswith(f"--gate-margin '{line}': ")
    assert why in str(error.value)


def test_time_where_nothing_takes_turns_is_no_metric():
    still = {name: replace(METRICS[name], turns=False) for name in JUDGED}
    with pytest.raises(DuetError, match="'time' is none of"):
        read_margins(["time=3%"], {name: AGAINST[name] for name in JUDGED}, still, "--gate-margin")


@pytest.mark.parametrize(
    ("line", "why"), [("epoch_seconds=5%,1GiB", "5%, 1ms or 0.5s"), ("peak_memory_bytes=1ms", "5% or 2MiB")]
)
def test_seconds_are_no_memory_and_bytes_no_time(line, why):
    with pytest.raises(DuetError, match=why):
        read_margins([line], {name: AGAINST[name] for name in JUDGED}, METRICS, "--gate-margin")


def test_relative_or_absolute_whichever_is_more():
    margin = Margin(0.05, 1e-3)
    assert margin.ratio(10.0) == 1.05
    assert margin.ratio(0.02) == pytest.approx(1.05)
    assert margin.ratio(0.01) == pytest.approx(1.10)
    assert margin.ratio(0.001) == pytest.approx(2.0)
    assert Margin(0.0, 0.0).ratio(1.0) == 1.0


def test_a_margin_of_a_metric_of_one_s_own_has_its_unit_or_none():
    metrics = {"rate": Metric("rate", "rate", "images/s", "higher")}
    found = read_margins(["rate=3%, 10"], {"rate": Margin()}, metrics, "--gate-margin")
    assert found == {"rate": Margin(0.03, 10.0)}
    with pytest.raises(DuetError, match="'1ms' is no margin such as 5% or 0.5"):
        read_margins(["rate=1ms"], {"rate": Margin()}, metrics, "--gate-margin")


# The probability of a false alarm


def test_the_metrics_shares_of_the_error_are_as_their_weights_and_add_up_to_all_of_it():
    of = family("abc")
    assert [metric.name for metric in of.judged] == JUDGED and [metric.name for metric in of.exact] == ["accuracy"]
    alphas = {metric.name: of.alpha(metric, 3) for metric in of.judged}
    assert sum(alphas.values()) == pytest.approx(FAMILY_ERROR)
    assert alphas["epoch_seconds"] == 2 * alphas["peak_memory_bytes"] == 2 * alphas["first_epoch_seconds"]


def test_a_metric_more_takes_its_share_from_the_others():
    rate = Metric("rate", "rate", "images/s", "higher", weight=4)
    of = family("abc", HISTORY | {"rate": Margin()}, METRICS | {"rate": rate})
    assert of.alpha(rate, 3) == pytest.approx(FAMILY_ERROR / 2)
    assert sum(of.alpha(metric, 3) for metric in of.judged) == pytest.approx(FAMILY_ERROR)


def test_benchmarks_without_a_row_have_their_share_too():
    """As those of a run's other shards, or one that failed."""
    epoch = METRICS["epoch_seconds"]
    assert family("ab", of=4).alpha(epoch, 2) == family("abcd").alpha(epoch, 4) / 2
