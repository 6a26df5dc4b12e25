"""What the work is made of is compared exactly, beside times that scatter: it says what changed, and may fail."""

import sys
import tracemalloc
from dataclasses import replace

import pytest
from support import uncovered

from pytest_duet.judge.work import changes, with_work
from pytest_duet.plugin.items import counting
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.metrics import DEFAULT
from pytest_duet.record.row import Row

ROW = Row("any", "cpu", {}, (), counters={"operators a step": 36, "fusions": 5, "bytes accessed": 1_000_000})
MORE = "+1 fusions (5 → 6, +20.0 %), +1.2e+05 bytes accessed (1,000,000 → 1,120,000, +12.0 %)"
METRICS = {each.name: each for each in DEFAULT}


@pytest.mark.parametrize(
    ("counters", "said"),
    [
        ({"operators a step": 37}, "+1 operators a step (36 → 37, +2.8 %)"),
        ({"fusions": 6, "bytes accessed": 1_120_000}, MORE),
        ({"graph breaks": 1}, "+1 graph breaks (0 → 1)"),
    ],
)
def test_what_changed_is_said_in_numbers(counters, said):
    found = changes(replace(ROW, counters={**ROW.counters, **counters}), ROW)
    assert found == said


def test_what_is_not_the_same_every_time_is_not_compared():
    unsure = replace(ROW, counters={**ROW.counters, "fusions": None})
    assert changes(unsure, ROW) == changes(ROW, unsure) == ""


@uncovered
def test_calls_are_counted_where_they_are_the_same_each_time():
    def called(times):
        return [len([each]) for each in range(times)]

    one, three = (counting.count(lambda times=times: called(times)) for times in (10, 30))
    assert three["calls of built-in functions"] - one["calls of built-in functions"] == 20
    assert one["Python calls"] == three["Python calls"] > 0
    assert three[counting.PEAK] > one[counting.PEAK] > 0
    assert counting.count(lambda: called(10)) == one
    growing = []
    assert counting.count(lambda: growing.append(called(len(growing))))["calls of built-in functions"] is None
    assert sys.getprofile() is None and not tracemalloc.is_tracing()


def test_whoever_was_not_counted_did_not_change():
    assert (
        changes(ROW, None) == changes(ROW, replace(ROW, counters={})) == changes(replace(ROW, counters={}), ROW) == ""
    )
    assert "-5 fusions (5 → 0, -100.0 %)" in changes(replace(ROW, counters={"operators a step": 36}), ROW)


@pytest.mark.parametrize(("fails", "verdict"), [(False, Verdict.CLEAN), (True, Verdict.REGRESSED)])
def test_a_time_says_that_its_work_changed_and_fails_if_asked_to(fails, verdict):
    comparisons = [Comparison("t::x", "x", name, Verdict.CLEAN, note="as ever.") for name in METRICS]
    time, *others = with_work(comparisons, METRICS, {"t::x": "+1 fusions (5 → 6)"}, fails)
    assert time.verdict is verdict and time.note == "as ever. Its work changed: +1 fusions (5 → 6)."
    assert others == comparisons[1:]
    assert with_work(comparisons, METRICS, {"t::other": "+1"}, fails) == comparisons


def test_a_void_comparison_stays_void():
    (void,) = with_work([Comparison("t::x", "x", "seconds", Verdict.VOID)], METRICS, {"t::x": "+1"}, fails=True)
    assert void.verdict is Verdict.VOID
