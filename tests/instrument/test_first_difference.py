"""Where two sides compute something else, to the last bit: which steps were the first, and who cannot be told apart."""

from dataclasses import replace

import pytest

from pytest_duet.judge import by_pairs
from pytest_duet.judge.first_difference import compare_rounds
from pytest_duet.judge.verdict import Family, void_where_exact_changed
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.metrics import DEFAULT, Metric
from pytest_duet.record.row import Against, Row
from pytest_duet.trials.trial import Memory, Part, Round, Trial

LOSS = Metric("loss", "loss", "", "same", every_round=True)
SAME = (0.1 + 0.2, 0.25, 0.125)


def trial(losses, parts=None):
    """Return one with a round for each loss, the first of them in parts of two steps if these have losses."""
    of_parts = tuple(Part(2 * n, 2 * n + 2, {"loss": loss}) for n, loss in enumerate(parts or ()))
    rounds = [Round(number, 1.0, metrics={"loss": loss}) for number, loss in enumerate(losses, start=1)]
    rounds[0] = replace(rounds[0], parts=of_parts)
    return Trial(Memory(), 1.0, 1.0, rounds=tuple(rounds))


def row(new, old):
    other = Row("other", "cpu", {}, tuple(old))
    return Row("mine", "cpu", {}, tuple(new), against=Against("git:x", other, ()))


def test_equal_sides_are_clean():
    one = compare_rounds("mine", row([trial(SAME)] * 3, [trial(SAME)] * 3), LOSS)
    assert (one.verdict, one.old, one.new, one.trials, one.note) == (Verdict.CLEAN, 0.125, 0.125, 3, "")


def test_the_first_that_differs_is_named_with_all_its_digits():
    other = (0.3, *SAME[1:])  # a last bit, which four digits do not show
    one = compare_rounds("mine", row([trial(other)] * 2, [trial(SAME)] * 2), LOSS)
    assert one.verdict is Verdict.REGRESSED
    assert one.note == "loss of round 1 is the first that differs: 0.3, and 0.30000000000000004 on the old side."


def test_of_a_round_in_parts_the_steps_are_named():
    sides = [trial(SAME, (0.5, new, 0.25)) for new in (0.75, 0.5)]
    one = compare_rounds("mine", row(sides[:1], sides[1:]), LOSS)
    assert one.note.startswith("loss of round 1, steps 3 to 4, is the first that differs: 0.75, and 0.5 ")


@pytest.mark.parametrize("side", ["new", "old"])
def test_a_side_that_never_computes_the_same_accuses_nobody(side):
    moody = [trial(SAME), trial((SAME[0], 0.26, 0.2))]
    steady = [trial(SAME)] * 2
    one = compare_rounds("mine", row(*((moody, steady) if side == "new" else (steady, moody))), LOSS)
    assert (
        one.verdict is Verdict.INCONCLUSIVE and one.note == "loss of round 2 is not the same in all trials of one side."
    )
    differs = [trial((0.5, 0.5, 0.5))] * 2  # before the moody side's own trials part
    one = compare_rounds("mine", row(*((moody, differs) if side == "new" else (differs, moody))), LOSS)
    assert one.verdict is Verdict.REGRESSED and "loss of round 1 " in one.note


def test_a_round_that_was_cut_elsewhere_is_compared_as_a_whole():
    sides = [trial(SAME, (0.5, 0.75, 0.25)), trial(SAME)]
    assert compare_rounds("mine", row(sides[:1], sides[1:]), LOSS).verdict is Verdict.CLEAN


def test_who_tells_no_such_number_is_missing():
    silent = Trial(Memory(), 1.0, 1.0, rounds=(Round(1, 1.0),))
    assert compare_rounds("mine", row([silent], [silent]), LOSS).verdict is Verdict.MISSING
    assert compare_rounds("mine", Row("mine", "cpu", {}, (trial(SAME),)), LOSS).verdict is Verdict.MISSING


def test_it_says_nothing_of_the_other_metrics():
    metrics = {each.name: each for each in (*DEFAULT, LOSS)}
    time = Comparison("mine", "mine", "seconds", Verdict.CLEAN, 1.0, 1.0)
    loss = Comparison("mine", "mine", "loss", Verdict.REGRESSED, 1.0, 2.0)
    assert void_where_exact_changed([time, loss], metrics) == [time, loss]


def test_a_session_judges_it():
    metrics = {LOSS.name: LOSS}
    sides = row([trial((0.5, 0.5))], [trial((0.5, 0.4))])
    (one,) = by_pairs.judge_session({"mine": sides}, Family(metrics, {"mine": {}}, 1), 9)
    assert one.verdict is Verdict.REGRESSED and "round 2" in one.note


def test_a_part_of_one_step_is_that_step():
    one, other = (replace(trial(SAME).rounds[0], parts=(Part(6, 7, {"loss": loss}),)) for loss in (0.5, 0.4))
    sides = [replace(trial(SAME), rounds=(each,)) for each in (one, other)]
    assert compare_rounds("mine", row(sides[:1], sides[1:]), LOSS).note.startswith(
        "loss of round 1, step 7, is the first"
    )


def test_the_only_part_of_a_round_is_that_round():
    whole = replace(trial(SAME).rounds[0], parts=(Part(0, None, {"loss": 0.5}),), metrics={})
    sides = [
        replace(trial(SAME), rounds=(whole,)),
        replace(trial(SAME), rounds=(replace(whole, parts=(), metrics={"loss": 0.4}),)),
    ]
    assert compare_rounds("mine", row(sides[:1], sides[1:]), LOSS).note.startswith("loss of round 1 is the first")
