"""The sentences that answer what a reader came for, and what they keep silent about."""

import json
from dataclasses import replace

from made_up import row

from pytest_duet.record.metrics import MEMORY
from pytest_duet.report.additions import Words
from pytest_duet.report.answer import answers

MACHINE = {"cpu": "A processor", "usable_cores": 2}


def made(subject, seconds, memory=100, place=0, **fields):
    """Return a row whose trials ran in rounds, ``place`` seconds after the first of each."""
    its = row(subject, {"epoch_seconds": seconds, MEMORY: [memory * 2**20] * len(seconds)}, **fields)
    trials = [
        replace(trial, seconds=time, started_at=100 * number + place)
        for number, (trial, time) in enumerate(zip(its.trials, seconds))
    ]
    return replace(its, trials=tuple(trials))


def said(*rows, words=None, **how):
    named = {f"test.py::test_it[{each.subject}]": (each, {}) for each in rows}
    (answer,) = answers(named, words or Words(), MACHINE, **how)
    return answer, "\n".join(answer.sentences)


JAX = made("jax", [1.0, 1.01, 0.99], labels={"execution": "compiled", "precision": "fp32"})
KERAS = made("keras", [2.0, 2.04, 2.0], 250, 1, labels={"execution": "graph", "precision": "fp32"})
TORCH = made("torch", [2.05, 2.02, 2.0], 120, 2, labels={"execution": "eager", "precision": "fp32"})


def test_it_says_who_by_how_much_and_how_sure():
    answer, text = said(KERAS, JAX, TORCH)
    first = answer.sentences[0]
    assert first.startswith(
        "On this machine (2 cores of A processor), jax (compiled) takes 1.000 s a round: 2.00 times"
    )
    assert "times (95 %: 1." in first and " as fast as keras (graph) and 2.02 times (1." in first
    assert first.endswith(" as fast as torch (eager), at equal accuracy (0.9000).")
    assert "keras and torch cannot be told apart in this run: " in text and "would" in text
    assert "Peak (host memory, peak RSS): jax 100 MiB, keras 250 MiB, torch 120 MiB." in text
    assert "fp32" not in text, "in which all are alike"
    assert "How sure: with 95 % confidence, all these ranges at once; from 3 trials of each" in text
    assert [(its.subject, its.rank) for its in answer.standings] == [("jax", 1), ("keras", 2), ("torch", 2)]
    assert answer.as_json()["standings"][1]["ratio"]["value"] == answer.standings[1].ratio.value


def test_what_differs_in_more_than_one_way_is_said_label_by_label():
    torch = replace(TORCH, labels={"execution": "eager", "precision": "tf32"})
    _, text = said(JAX, torch)
    assert "jax takes" in text and "They differ in execution: jax compiled, torch eager." in text
    assert "They differ in precision: jax fp32, torch tf32." in text


def test_a_tie_is_no_victory():
    answer, text = said(KERAS, TORCH)
    assert "but nobody is slower for sure" in answer.sentences[0] and "cannot be told apart" in text
    assert "times as fast" not in text and ") as fast" not in text


def test_what_did_not_take_turns_is_not_ranked():
    """Whoever ran in the wrong minute would lose."""
    later = replace(TORCH, trials=tuple(replace(trial, started_at=1e6) for trial in TORCH.trials))
    for answer, text in (said(JAX, later), said(JAX, TORCH, together=False)):
        assert "this is no ranking" in text and not answer.ranked and "as fast" not in text
        assert "torch (eager) takes 2.02 times as long" in text
        assert [its.rank for its in answer.standings] == [None, None]


def test_of_a_session_that_was_stopped_the_complete_rounds_are_ranked():
    """Its last round has some of them alone; and no figure is NaN, which JSON does not know."""
    started = made("torch", [2.05, 2.02, 2.0, 9.0], 120, 2)
    answer, _ = said(JAX, KERAS, started)
    assert answer.ranked and answer.rounds == 3 and [its.rank for its in answer.standings] == [1, 2, 2]
    answer, _ = said(made("jax", [1.0]), KERAS, started)
    assert not answer.ranked and "NaN" not in json.dumps(answer.as_json())


def test_what_should_be_equal_and_is_not_is_not_called_so():
    _, text = said(JAX, made("torch", [2.0, 2.1, 2.0], place=1, accuracy=0.5))
    assert "at accuracy from 0.5000 to 0.9000" in text and "equal" not in text


def test_one_trial_each_is_not_ranked():
    answer, text = said(made("a", [1.0]), made("b", [9.0], place=1))
    assert "From one trial each" in text and not answer.ranked


def test_one_subject_alone_has_its_figures_and_no_rivals():
    answer, text = said(JAX)
    assert text.startswith("On this machine (2 cores of A processor), jax takes 1.000 s a round, at accuracy 0.9000")
    assert "rank" not in text and answer.standings[0].ratio is None


def test_work_of_another_amount_is_compared_by_its_rate():
    """A trainer that was cut to fewer steps is not faster for that, and its accuracy is another one."""
    amounts = {"jax": 10, "torch": 1}
    words = Words(amount_of=lambda row, extra_info: amounts[row.subject])
    _, text = said(JAX, made("torch", [0.5, 0.51, 0.5], place=1, accuracy=0.4), words=words)
    assert "jax takes 1.000 s a round: 5." in text and "accuracy" not in text


def test_of_many_a_few_are_named():
    rows = [made(f"n{number}", [1.3**number * factor for factor in (1, 1.001, 1)], place=number) for number in range(9)]
    _, text = said(*rows)
    assert "n0 takes" in text and "and faster than 5 more" in text and "n8" not in text


def test_of_many_that_are_alike_a_few_are_named():
    rows = [made(f"n{number}", [1 + number / 100, 1, 1.1], place=number) for number in range(9)]
    _, text = said(*rows)
    assert "Nor can 5 more pairs of neighbours." in text and text.count(" and n") <= 4


def test_disturbed_trials_are_named():
    _, text = said(JAX, replace(TORCH, disturbed_trials=1))
    assert "Others disturbed trials of torch." in text


def test_two_of_one_subject_are_told_apart_by_their_parameters():
    rows = {f"test.py::test_it[jax-{size}]": (JAX, {}) for size in (1, 2)}
    (answer,) = answers(rows, Words(), None)
    assert {its.subject for its in answer.standings} == {"jax-1", "jax-2"}


def test_each_test_has_its_own_answer():
    assert len(answers({"a.py::test[x]": (JAX, {}), "b.py::test[x]": (KERAS, {})}, Words(), None)) == 2
    assert answers({}, Words(), None) == []
