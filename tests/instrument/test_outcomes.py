"""How the one test of a benchmark's verdicts ends."""

from dataclasses import replace

import pytest

from pytest_duet.plugin.outcomes import outcome, undecided
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.metrics import DEFAULT
from pytest_duet.record.saved_run import GateRecord
from pytest_duet.report import verdicts

TIME, MEMORY, FIRST = (each.name for each in DEFAULT)
RECORD = GateRecord(metrics={each.name: each for each in DEFAULT})


def one(metric, verdict, benchmark="t::x"):
    return Comparison(benchmark, benchmark[3:], metric, verdict)


@pytest.mark.parametrize(
    ("found", "fail_on", "ends"),
    [
        ({TIME: Verdict.CLEAN, MEMORY: Verdict.IMPROVED}, (), "passed"),
        ({TIME: Verdict.CLEAN, MEMORY: Verdict.INCONCLUSIVE}, (), "skipped"),
        ({TIME: Verdict.CLEAN, MEMORY: Verdict.INCONCLUSIVE}, ("inconclusive",), "failed"),
        ({TIME: Verdict.MISSING}, ("inconclusive",), "skipped"),
        ({TIME: Verdict.MISSING}, ("missing",), "failed"),
        ({TIME: Verdict.VOID, MEMORY: Verdict.REGRESSED}, (), "failed"),
    ],
)
def test_the_worst_metric_says_how_it_ends(found, fail_on, ends):
    assert outcome([one(*each) for each in found.items()], fail_on, RECORD)[0] == ends


def test_what_is_surely_no_worse_fails_no_run():
    better = one(TIME, Verdict.INCONCLUSIVE).but(no_worse=True)
    assert outcome([better], ("inconclusive",), RECORD)[0] == "skipped"
    assert undecided([better], ("inconclusive",)) == 0
    assert outcome([better, one(MEMORY, Verdict.INCONCLUSIVE)], ("inconclusive",), RECORD)[0] == "failed"


def test_each_metric_that_is_not_fine_has_a_paragraph_and_what_fails_comes_first():
    found = [one(TIME, Verdict.CLEAN), one(MEMORY, Verdict.INCONCLUSIVE), one(FIRST, Verdict.REGRESSED)]
    first, second = outcome(found, (), RECORD)[1].splitlines()
    assert first.startswith("x, first round: regressed") and second.startswith("x, peak memory: inconclusive")


def test_what_is_alike_for_all_metrics_is_said_once():
    why = "the benchmark itself failed: its worker died of SIGSEGV"
    found = [one(metric, Verdict.VOID).but(note=why) for metric in (TIME, MEMORY, FIRST)]
    assert outcome(found, (), RECORD)[1] == f"x, time, peak memory, first round: void. {why}."
    page = verdicts.markdown(replace(RECORD, comparisons=tuple(found)), "test")
    assert page.count(why) == 1 and page.count("as above") == 2
    differ = [one(TIME, Verdict.VOID).but(note=why), one(MEMORY, Verdict.VOID).but(note="another reason")]
    assert len(outcome(differ, (), RECORD)[1].splitlines()) == 2


def test_a_test_that_failed_for_more_than_open_questions_is_not_undecided():
    unclear, slower = one(TIME, Verdict.INCONCLUSIVE, "t::a"), one(MEMORY, Verdict.REGRESSED, "t::b")
    assert undecided([unclear, slower], ("inconclusive",)) == 1
    assert undecided([unclear, one(MEMORY, Verdict.REGRESSED, "t::a")], ("inconclusive",)) == 0
    assert undecided([unclear, slower], ()) == 0
