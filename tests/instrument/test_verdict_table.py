"""What a terminal shows of the gate's verdicts, where there are many; and how short times are told."""

import pytest
import report_extra  # noqa: F401
from made_up import row
from support import Terminal

from pytest_duet.judge import by_pairs, more_trials
from pytest_duet.judge.verdict import CLEAN_ERROR, Family
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.metrics import DEFAULT
from pytest_duet.record.saved_run import GateRecord, Run
from pytest_duet.report import verdicts
from pytest_duet.report.page import _figure


def shown(clean, others=(), wide=False):
    """Return what is written of so many clean comparisons, and of others."""
    found = [Comparison(f"t::clean_{number}", f"clean_{number}", "seconds", Verdict.CLEAN) for number in range(clean)]
    metrics = {each.name: each for each in DEFAULT}
    terminal = Terminal()
    verdicts.show(terminal, GateRecord(comparisons=(*found, *others), metrics=metrics), "benchmark", wide)
    return terminal.text


OTHERS = (
    Comparison("t::slower", "slower", "seconds", Verdict.REGRESSED, old=1.0, new=2.0, low=1.9, high=2.1, margin=1.02),
    Comparison("t::odd", "odd", "seconds", Verdict.CLEAN, note="something to say."),
)


def test_of_many_those_are_shown_that_somebody_has_to_look_at():
    text = shown(verdicts.MANY, OTHERS)
    assert "slower" in text and "something to say." in text
    assert "clean_" not in text and f"{verdicts.MANY} that are clean are left out; --wide shows them." in text
    assert f"1 regressed, {verdicts.MANY + 1} clean" in text, "the headline counts them all"


@pytest.mark.parametrize(("clean", "wide"), [(verdicts.MANY, False), (verdicts.MANY + 5, True)])
def test_of_few_and_of_those_that_were_asked_for_all_are_shown(clean, wide):
    text = shown(clean, wide=wide)
    assert all(f"clean_{number} " in text for number in range(clean)) and "left out" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.5, "1.500 s"), (0.1, "0.100 s"), (0.05, "50.00 ms"), (2e-6, "2.000 µs"), (5e-9, "5.000 ns")],
)
def test_a_time_has_a_unit_in_which_it_has_digits(seconds, text):
    assert DEFAULT[0].text(seconds) == text


@pytest.mark.parametrize(("value", "text"), [(1.67, "1.670"), (0.000197, "0.000197"), (None, "-")])
def test_the_page_s_seconds_have_digits(value, text):
    assert _figure(value, "seconds") == text and _figure(0.5, "{:.2f}") == "0.50"


def test_a_run_of_no_repository_is_of_no_commit():
    assert Run("a run", commit="unversioned").revision == ""
    assert Run("a run", commit="abc").revision == "abc"
    assert Run("a run", commit="abc", data={"commit_info": {"dirty": True}}).revision == ""


def test_more_benchmarks_take_more_trials_before_a_verdict():
    """Each has to be the surer: that is what a session's first prediction goes by."""
    metrics = {each.name: each for each in DEFAULT}
    margins = {"t": {name: each.against for name, each in metrics.items()}}
    one, many = (more_trials.least_trials(Family(metrics, margins, count), 16) for count in (1, 64))
    assert 5 <= one < many <= 16
    assert more_trials.too_few(Family(metrics, margins, 1), 16) == []
    (said,) = more_trials.too_few(Family(metrics, margins, 1), 2)
    assert "--max-trials=2 are too few for an answer on every metric of 1 benchmarks" in said


def test_too_few_trials_say_what_either_answer_takes():
    noisy = [1.1, 0.9, 1.2, 0.8, 1.0]
    made = row("x", {"seconds": noisy}, old={"seconds": [1.0] * 5}, metrics={"seconds": DEFAULT[0]})
    one = by_pairs.judge("t::x", made, DEFAULT[0], DEFAULT[0].against, 16, by_pairs.NONE, 0.001)
    assert "5 trials are too few for an answer: clean takes 7, regressed takes 11." in one.note
    assert (one.low, one.needs) == (None, 7)


@pytest.mark.parametrize(("trials", "needs"), [(7, 9), (8, 9), (9, 11), (10, 11)])
def test_trials_that_were_enough_for_clean_and_are_not_wait_for_the_next_look(trials, needs):
    """Order statistics at 5 % look after 7, 9, 12 and 14 trials, and at 0.1 % after 11."""
    noisy = [1.1, 0.9] * (trials // 2) + [1.0] * (trials % 2)
    made = row("x", {"seconds": noisy}, old={"seconds": [1.0] * trials}, metrics={"seconds": DEFAULT[0]})
    one = by_pairs.judge("t::x", made, DEFAULT[0], DEFAULT[0].against, 16, by_pairs.NONE, 0.001)
    assert one.verdict is Verdict.INCONCLUSIVE
    assert f"{trials} trials are too few for an answer: they scatter too far for clean, regressed takes 11." in one.note
    assert (one.low, one.high, one.alpha) == (pytest.approx(0.9), pytest.approx(1.1), CLEAN_ERROR), "what is known"
    assert one.needs == needs and one.visible is None


def test_two_tests_of_one_subject_are_told_apart():
    names = [("b.py::test_cold[jax]", "jax"), ("b.py::test_warm[jax]", "jax"), ("b.py::test_cold[torch]", "torch")]
    found = [Comparison(benchmark, subject, "seconds", Verdict.CLEAN) for benchmark, subject in names]
    lines = verdicts.rows(GateRecord(comparisons=tuple(found), metrics={each.name: each for each in DEFAULT}))
    assert [line[0] for line in lines] == ["test_cold[jax]", "test_warm[jax]", "torch"]
