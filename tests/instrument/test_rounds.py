"""Trials run in rounds: a failure costs its own subject alone, and a mood of the machine turns no order round."""

from math import log
from statistics import median

import pytest

from pytest_duet.trials.rounds import Rounds, are_rounds, in_order
from pytest_duet.trials.trial import Memory, Trial

NAMES = ["a", "b", "c"]


class Logs:
    """Writes down what is asked of it; ``fails`` says when it raises: 0 while it prepares, else in that trial."""

    def __init__(self, log, name, fails=None):
        self.log, self.name, self.fails = log, name, fails

    def prepare(self):
        self.run(0)

    def run(self, number):
        self.log.append((number, self.name))
        if number == self.fails:
            raise ValueError(f"{self.name} fails")

    def heat(self, number):
        self.log.append((number, self.name, "starts"))
        for step in range(2):
            yield
            self.log.append((number, self.name, step))
        if number == self.fails:
            raise ValueError(f"{self.name} fails")

    def news(self):
        return "fine"


def rounds(trials=3, fails=None, **how):
    """Return rounds of a, b and c, and what is asked of them.

    :param fails: when who fails, by name.
    """
    log = []
    return Rounds({name: Logs(log, name, (fails or {}).get(name)) for name in NAMES}, trials, **how), log


def test_all_run_once_the_first_is_asked_for_and_each_round_has_them_all():
    made, log = rounds(trials=4)
    made.of("a")
    assert [number for number, _ in log if number] == sorted(number for number, _ in log if number)
    assert all(sorted(name for at, name in log if at == number) == NAMES for number in range(5))
    before = list(log)
    made.of("b"), made.of("c")
    assert log == before, "nothing is left to do for the others"


@pytest.mark.parametrize("count", [2, 3, 4, 5, 11])
def test_the_order_changes(count):
    names = list(range(count))
    orders = [in_order(names, number) for number in range(1, 2 * count + 1)]
    assert all(sorted(order) == names for order in orders)
    for name in names:
        assert {order.index(name) for order in orders} == set(range(count)), "everybody had every place"
        before = {order[order.index(name) - 1] for order in orders if order.index(name)}
        assert len(before) == (2 if count > 2 else 1), "nor did one always run behind the same"


@pytest.mark.parametrize("fails", [0, 1, 2])
def test_who_fails_is_the_only_one_that_ends(fails):
    made, log = rounds(fails={"b": fails})
    made.of("a")
    with pytest.raises(ValueError, match="b fails"):
        made.of("b")
    made.of("c")
    assert [number for number, name in log if name == "b"] == list(range(fails + 1))
    assert sorted(number for number, name in log if name != "b") == [0, 0, 1, 1, 2, 2, 3, 3]


def test_nobody_runs_on_who_stands_behind_the_first_failure_of_a_session_that_stops_there():
    made, log = rounds(fails={"b": 1}, stop_at_failure=True)
    made.of("a")
    with pytest.raises(ValueError, match="b fails"):
        made.of("b")
    assert max(number for number, name in log if name == "a") == 3
    assert not [number for number, name in log if name == "c"]


def test_a_test_that_is_repeated_runs_again_alone():
    made, log = rounds(fails={"a": 2})
    with pytest.raises(ValueError, match="a fails"):
        made.of("a")
    made.of("b")
    del log[:]
    made._entrants["a"].fails = None
    assert made.of("a") and {name for _, name in log} == {"a"} and len(log) == 4


class IsInterrupted(Logs):
    def run(self, number):
        if number == self.fails:
            raise KeyboardInterrupt
        super().run(number)


@pytest.mark.parametrize("at", [1, 2])
def test_what_is_interrupted_keeps_the_trials_that_there_are(at):
    log = []
    entrants = {"a": Logs(log, "a"), "b": IsInterrupted(log, "b", at), "c": Logs(log, "c")}
    made = Rounds(entrants, 3, stop=lambda: log.append((0, "stop")))
    assert made.of("a")
    if at == 2:
        assert made.of("b") and log[-1] != (0, "stop")
        assert made.of("c") and log[-1] == (0, "stop")
    else:
        assert log[-1] == (0, "stop"), "nobody else has a trial"
        with pytest.raises(KeyboardInterrupt):
            made.of("b")
    assert max(number for number, _ in log) <= at


def test_who_is_done_leaves_the_rounds_to_the_others():
    enough = {"a": 4, "b": 1, "c": 2}
    had = dict.fromkeys(NAMES, 0)

    def worth_more(names):
        for name in names:
            had[name] += 1
        return [name for name in names if had[name] < enough[name]]

    made, log = rounds(trials=3, worth_more=worth_more)
    made.of("a")
    assert [max(number for number, name in log if name == its) for its in NAMES] == [3, 1, 2]
    assert [number for number, _ in log if number] == [1, 1, 1, 2, 2, 3]


def test_who_failed_is_not_asked_whether_it_wants_more():
    made, log = rounds(fails={"b": 1}, worth_more=lambda names: 1 / 0 if "b" in names else names)
    assert made.of("a") and max(number for number, name in log if name == "c") == 3


def test_who_is_held_back_has_all_its_trials_later():
    """As where a budget answers one question after the other."""
    made, log = rounds(trials=3, worth_more=lambda names: sorted(names)[:1])
    made.of("a")
    assert [each for each in log if each[0] > 1] == [(2, "a"), (3, "a"), (2, "b"), (3, "b"), (2, "c"), (3, "c")]


def test_where_others_run_elsewhere_each_runs_alone():
    made, log = rounds(together=False)
    made.of("b")
    assert {name for _, name in log} == {"b"}


def test_in_a_race_all_take_their_steps_in_turn_and_each_time_another_is_first():
    made, log = rounds(trials=2, race=True)
    made.of("a")
    first = [event for event in log if event[0] == 1][-9:]
    assert [step for _, _, step in first] == ["starts"] * 3 + [0] * 3 + [1] * 3
    assert len({first[at][1] for at in (0, 3, 6)}) == 3


def test_who_fails_in_a_race_is_the_only_one_that_ends():
    made, log = rounds(trials=2, race=True, fails={"b": 1})
    made.of("a"), made.of("c")
    with pytest.raises(ValueError, match="b fails"):
        made.of("b")
    assert not [event for event in log if event[:2] == (2, "b")]
    assert [event[1] for event in log if event[0] == 2 and event[2] == 1] and (2, "c", 1) in log


def test_whoever_is_told_hears_of_every_trial_and_of_its_end():
    heard = []

    class Hears:
        def begin(self, name, number):
            heard.append((name, number))

        def end(self, name, number, how):
            heard.append((name, number, how))

        def close(self):
            heard.append("closed")

    made, _ = rounds(trials=1, fails={"b": 1}, watcher=Hears())
    made.of("a")
    assert heard[-1] == "closed" and ("a", 1, "fine") in heard and ("b", 1, "failed") in heard and ("c", 0, "") in heard


def trials(*times):
    return [Trial(Memory(), started_at=time) for time in times]


def test_what_ran_in_rounds_is_told_from_what_did_not():
    assert are_rounds([trials(1, 12), trials(2, 11)])
    assert not are_rounds([trials(1, 2), trials(3, 4)]), "one after the other"
    assert not are_rounds([trials(1, 12), trials(2)]), "another number of trials"
    assert not are_rounds([trials(1, 12), trials(2, None)]), "an old file"


class Timed:
    """Takes so long on a clock that is slow between two points of time, as its neighbours do."""

    def __init__(self, clock, seconds, slow):
        self.clock, self.seconds, self.slow, self.found = clock, seconds, slow, []

    def prepare(self):
        pass

    def run(self, number):
        took = self.seconds * (1.3 if self.slow[0] <= self.clock[0] < self.slow[1] else 1)
        self.found.append(took)
        self.clock[0] += took

    def news(self):
        return ""


def times(begin, together):
    """Return what the trials of two subjects take, of which the first is faster by 10 %, beside a slow minute."""
    clock, slow = [0.0], (begin, begin + 60)
    entrants = {"fast": Timed(clock, 20, slow), "slow": Timed(clock, 22, slow)}
    made = Rounds(entrants, 5, together=together)
    return [made.of(name).found for name in entrants]


def test_a_slow_minute_turns_no_order_round():
    turned = {True: 0, False: 0}
    for together in turned:
        for begin in range(-60, 220):
            fast, slow = times(begin, together)
            turned[together] += median(log(b / a) for a, b in zip(fast, slow)) <= 0
            if together:
                assert median(fast) < median(slow)
    assert turned[True] == 0
    assert turned[False] > 20, "one after the other, the same minute turned it in many"
