"""Whoever watches a terminal sees every subject's line; a log gets one now and then; nobody else is told anything."""

import io

import pytest
from rich.console import Console

from pytest_duet.plugin import board as of_board
from pytest_duet.plugin.board import Board


class Shown:
    """A progress that keeps what it is given."""

    def __init__(self, live=False, logs=False):
        self.live, self.logs, self.said, self.tables, self.gone = live, logs, [], [], 0

    def say(self, text):
        self.said.append(text)

    def show_block(self, table):
        text = io.StringIO()
        Console(file=text, width=100).print(table)
        self.tables.append(text.getvalue())

    def leave_block(self):
        self.gone += 1


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(of_board.time, "monotonic", lambda: now[0])
    return now


def play(board, clock, seconds=30):
    for name in ("a", "b"):
        board.begin(name, 0)
        board.tell(name, "parity check")
        board.end(name, 0, "")
    for number in (1, 2):
        for name in ("a", "b"):
            board.begin(name, number)
            board.tell(name, f"trial {number}, epoch 1/6")
            clock[0] += seconds
            board.end(name, number, "epoch 1.000 s")
    board.close()


def test_a_terminal_shows_a_line_for_each_subject(clock):
    shown = Shown(live=True)
    play(Board(shown, ["a", "b"], 2), clock)
    assert "parity check" in shown.tables[1]
    during = next(table for table in shown.tables if "trial 2, epoch 1/6" in table)
    assert "trial 1 of 2: epoch 1.000 s" in during, "the other one's last"
    assert "some 60 s left" in during, "two of four trials took 60 s"
    assert shown.gone == 1 and not shown.said


def test_a_log_gets_a_line_now_and_then(clock):
    shown = Shown(logs=True)
    play(Board(shown, ["a", "b"], 2), clock)
    assert shown.said[0] == "a: trial 1 of 2, epoch 1.000 s; some 90 s left" and len(shown.said) == 4
    assert not shown.tables
    quick = Shown(logs=True)
    play(Board(quick, ["a", "b"], 2), clock, seconds=1)
    assert not quick.said, "what takes a few seconds needs no words"


def test_nobody_else_is_told_anything(clock):
    shown = Shown()
    play(Board(shown, ["a", "b"], 2), clock)
    assert not shown.said and not shown.tables
