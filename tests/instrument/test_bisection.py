"""The search for who did it: right often enough with answers that are noise, and no further than its answers go."""

import json
from math import log

import numpy as np
import pytest
from made_up import AGAINST, METRICS, row

from pytest_duet.errors import DuetError
from pytest_duet.judge import bisection, by_pairs
from pytest_duet.judge.bisection import Answer, Search
from pytest_duet.record.bisect_journal import Journal, Probe
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.margins import Margin, margin_text, read_margins

COUNT, MAX_TRIALS = 16, 16
TIME = METRICS["epoch_seconds"]


def search(count, ask):
    made = Search(count)
    while (number := made.next()) is not None:
        made.answers[number] = ask(number)
    return made


@pytest.mark.parametrize("count", [2, 3, 16, 17, 100])
def test_every_place_is_found_in_as_few_questions_as_there_are_halvings(count):
    for place in range(1, count):
        made = search(count, lambda number, place=place: Answer.AFTER if number >= place else Answer.BEFORE)
        assert (made.good, made.bad) == (place - 1, place)
        assert len(made.answers) <= np.ceil(np.log2(count - 1) if count > 2 else 0)
        assert bisection.worst_error(bisection.error_of_each(count), made.answered) <= bisection.TOTAL_ERROR + 1e-12


@pytest.mark.parametrize("silent", [Answer.BROKEN, Answer.OPEN])
def test_who_says_nothing_is_left_out_and_what_they_hide_is_named(silent):
    def ask(number):
        return silent if number in (6, 7, 8) else Answer.AFTER if number >= 8 else Answer.BEFORE

    made = search(COUNT, ask)
    assert (made.good, made.bad) == (5, 9), "one of four"
    assert made.answers[7] is silent


def comparison(shifts, margin, alpha):
    """Return what the gate says of paired trials with these shifts, once it says anything."""
    for trials in range(1, MAX_TRIALS + 1):
        new = {name: list(10 * np.exp(shifts[:trials])) for name in METRICS if name != "accuracy"}
        old = {name: [10.0] * trials for name in new}
        found = by_pairs.judge("b", row("b", new, old), TIME, margin, MAX_TRIALS, {}, alpha, alpha)
        if found.verdict is not Verdict.INCONCLUSIVE:
            break
    return found


@pytest.mark.parametrize(("change", "scatter"), [(0.05, 0.01), (-0.05, 0.01), (0.1, 0.02)])
def test_of_simulated_trials_19_of_20_searches_end_with_the_culprit(change, scatter):
    rng, error = np.random.default_rng(11), bisection.error_of_each(COUNT)
    right = wrong = 0
    for _ in range(60):
        place = int(rng.integers(1, COUNT))

        def probe(number, margin, place=place):
            shift = log(1 + change) if number >= place else 0.0
            return comparison(shift + scatter * rng.standard_normal(MAX_TRIALS), margin, error)

        whole = probe(COUNT - 1, AGAINST["epoch_seconds"])
        assert whole.verdict is (Verdict.REGRESSED if change > 0 else Verdict.IMPROVED)
        half = Margin(bisection.half_way(bisection.change(whole)))
        made = search(COUNT, lambda number, ask=probe, half=half: bisection.answer(ask(number, half), change > 0))
        right += made.good + 1 == made.bad == place
        wrong += not made.good < place <= made.bad
    print(f"right {right} of 60, wrong {wrong}")
    assert wrong <= 3 and right >= 57, "the rest is left open, and said to be"


def test_a_margin_of_a_share_alone_is_read_as_such():
    text = margin_text("epoch_seconds", 0.0123456, "s")
    assert read_margins([text], AGAINST, METRICS, "")["epoch_seconds"] == Margin(0.012346, 0.0)
    assert read_margins(["time=3%"], AGAINST, METRICS, "")["epoch_seconds"].share == 0.03


# The journal


QUESTION = {"revisions": ["git:a", "git:b"], "metric": "time", "arguments": []}
SAID = Comparison("b", "b", "seconds", Verdict.REGRESSED, 1.0, 1.1, 1.05, 1.15, trials=7)


def test_a_journal_is_there_after_every_answer_and_of_one_question_alone(tmp_path):
    journal = Journal.open(tmp_path, QUESTION)
    journal.add(Probe("git:b", "git:a", 3.0, SAID, "s"))
    journal.add(Probe("git:c", "git:a", 1.0, why="it does not build"))
    again = Journal.open(tmp_path, QUESTION)
    assert again.probes == journal.probes and again.find("git:b", "git:a").comparison == SAID
    assert again.find("git:a", "git:b") is None
    assert not Journal.open(tmp_path, {**QUESTION, "metric": "accuracy"}).probes


def test_a_journal_that_is_cut_in_half_is_named_and_kept(tmp_path):
    journal = Journal.open(tmp_path, QUESTION)
    journal.add(Probe("git:b", "git:a", 3.0, SAID, "s"))
    half = journal.path.read_bytes()[:100]
    journal.path.write_bytes(half)
    with pytest.raises(DuetError, match="is damaged .* Remove it to begin anew"):
        Journal.open(tmp_path, QUESTION)
    assert journal.path.read_bytes() == half
    journal.path.write_text(json.dumps({"probes": [{"new": "git:b"}]}))
    with pytest.raises(DuetError, match="is damaged"):
        Journal.open(tmp_path, QUESTION)
