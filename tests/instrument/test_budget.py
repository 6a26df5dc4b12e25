"""A budget of time is shared out fairly, what one benchmark leaves over is the next one's, and nonsense is told."""

from collections import Counter
from types import SimpleNamespace

import pytest

from pytest_duet.plugin.budget import Budget, parse_seconds
from pytest_duet.trials.rounds import Rounds


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_every_benchmark_has_its_share_and_what_those_before_it_left():
    clock = Clock()
    budget = Budget(300.0, ["a", "b", "c"], clock)
    clock.now += 50  # collecting is not part of it
    budget.begin("a")
    assert budget.allows(100) and not budget.allows(101)
    clock.now += 40
    budget.begin("b")
    assert budget.allows(130) and not budget.allows(131)
    clock.now += 200  # its one trial took longer than it had
    assert not budget.allows(0.1)
    budget.begin("c")
    assert budget.allows(60) and not budget.allows(61)
    clock.now += 100
    assert not budget.allows(0)


def test_what_begins_at_once_has_all_of_it_and_it_goes_where_an_answer_is_open():
    """Also back to those before: of two whose trials take 10 s, "b" is decided by its first."""
    clock, trials = Clock(), Counter()
    budget = Budget(65.0, ["a", "b"], clock)
    budget.begin("a", "b")

    class Takes(SimpleNamespace):
        def prepare(self):
            pass

        def run(self, number):
            clock.now += 10
            trials[self.name] = number

        def news(self):
            return ""

    entrants = {name: Takes(name=name) for name in "ab"}
    Rounds(entrants, 16, worth_more=lambda names: ["a"] if budget.allows(10) else []).of("a")
    assert trials == {"a": 5, "b": 1}


def test_what_is_too_little_for_all_answers_some():
    clock = Clock()
    budget = Budget(100.0, "abc", clock)
    budget.begin(*"abc")
    costs = {"a": (10, 60), "b": (20, 40), "c": (15, 70)}
    assert budget.share(costs) == ["b", "a"], "both come to their answers, and nothing else would"
    clock.now += 55
    assert budget.share(costs) == ["b"]
    clock.now += 10
    assert budget.share(costs) == ["a", "b"], "no answer is in reach: those trials that are"
    assert budget.share({"c": (35, 35)}) == ["c"] and budget.share({"c": (36, 36)}) == []


def test_other_tests_have_no_share():
    budget = Budget(300.0, ["a"], Clock())
    budget.begin("something else")
    assert not budget.allows(0)
    budget.begin("a")
    assert budget.allows(300)


@pytest.mark.parametrize(("text", "seconds"), [("300", 300), ("90s", 90), ("5m", 300), ("1.5h", 5400)])
def test_a_time_is_read(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "5 minutes", "-5m", "0", "0s", "5d", "m"])
def test_nonsense_is_no_time(text):
    with pytest.raises(ValueError, match="is no time such as"):
        parse_seconds(text)
