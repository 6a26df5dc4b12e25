"""Before the first trial on a GPU, that is warmed up until it gets no warmer: once, and not for ever."""

from types import SimpleNamespace

import pytest

from pytest_duet.trials.soak import STRETCHES, Soak
from pytest_duet.workers.protocol import Sustained


class Card:
    """Gets warmer with work, towards an end."""

    def __init__(self, now=30.0, end=60.0, share=0.5):
        self.now, self.end, self.share = now, end, share

    def celsius(self):
        return None if self.now is None else int(self.now)

    def work(self):
        if self.now is not None:
            self.now += (self.end - self.now) * self.share


class Worker:
    def __init__(self, runner):
        self.runner = runner

    def __enter__(self):
        self.runner.opened += 1
        return self

    def __exit__(self, *_):
        pass

    def open(self):
        return SimpleNamespace(device=self.runner.device)

    def round(self, number):
        self.runner.card.work()

    def sustain(self, seconds):
        self.runner.stretches += 1
        self.runner.card.work()
        return Sustained(self.runner.rounds, seconds)


class Runner:
    def __init__(self, card, device="gpu:Fake", rounds=9):
        self.card, self.device, self.rounds = card, device, rounds
        self.opened = self.stretches = 0

    def worker(self):
        return Worker(self)

    def open_arguments(self):
        return {}

    def progress(self, text):
        assert text == "warming the GPU up"


def test_it_works_until_the_card_gets_no_warmer_and_once_a_session():
    card = Card()
    soak, first, second = Soak(card), Runner(card), Runner(card)
    soak(first)
    assert card.now > 58 and 3 <= first.stretches <= 6
    soak(first)
    soak(second)
    assert (first.opened, second.opened) == (1, 0)


@pytest.mark.parametrize(
    ("card", "rounds", "stretches"),
    [
        (Card(end=1e9, share=0.001), 9, STRETCHES),  # never settles
        (Card(), 0, 1),  # a subject that cannot repeat a round
    ],
)
def test_it_does_not_work_for_ever(card, rounds, stretches):
    runner = Runner(card, rounds=rounds)
    Soak(card)(runner)
    assert runner.stretches == stretches


def test_who_computes_on_the_cpu_leaves_it_to_the_next():
    card = Card()
    soak, on_cpu, on_gpu = Soak(card), Runner(card, device="cpu"), Runner(card)
    soak(on_cpu)
    soak(on_gpu)
    assert (on_cpu.stretches, on_gpu.opened) == (0, 1) and on_gpu.stretches > 1


@pytest.mark.parametrize("card", [None, Card(now=None)], ids=["no GPU", "one that does not tell how warm it is"])
def test_where_nothing_can_be_warmed_nobody_is_asked(card):
    runner = Runner(card)
    Soak(card)(runner)
    assert runner.opened == 0
