"""Workers start with a fixed layout of addresses, and both sides of a trial with the same luck."""

import os
import subprocess
import sys

import pytest
from support import ROOT

from pytest_duet.plugin.items.runner import STACK_SPAN, same_luck
from pytest_duet.sensors.layout import NO_RANDOMIZE, has_fixed_layout
from pytest_duet.workers import process, serve
from pytest_duet.workers.process import Worker


@pytest.mark.parametrize(("text", "fixed"), [("00040000\n", True), ("00000000\n", False), ("00440008\n", True)])
def test_what_the_kernel_says_is_read(tmp_path, text, fixed):
    (tmp_path / "personality").write_text(text)
    assert has_fixed_layout(tmp_path / "personality") is fixed


def test_where_nobody_can_tell_nobody_knows(tmp_path):
    assert has_fixed_layout(tmp_path / "nowhere") is None
    (tmp_path / "personality").write_text("nonsense")
    assert has_fixed_layout(tmp_path / "personality") is None


@pytest.mark.skipif(has_fixed_layout() is None, reason="the kernel does not tell")
def test_two_workers_have_one_layout(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    found = []
    for _ in range(2):
        with Worker("layout", "tests.liars.subjects:Layout") as worker:
            found.append(worker.call("where"))
    if not found[0]["fixed"]:
        pytest.skip("this machine does not let a process have one")
    assert found[0] == found[1]


def test_a_kernel_that_does_not_do_it_is_asked_once(monkeypatch):
    """Else a worker would start anew for ever: what it becomes is a module that does not ask."""
    import ctypes

    class Forgets:
        def personality(self, asked):
            return 0

    became = []
    monkeypatch.setattr(serve, "has_fixed_layout", lambda: False)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Forgets())
    monkeypatch.setattr(os, "execv", lambda path, line: became.append(line))
    serve.fix_address_layout()
    assert [line[1:3] for line in became] == [["-m", "pytest_duet.workers.server"]]


def test_a_worker_is_started_by_words_that_other_revisions_know():
    """The old side of --against=git:REV has that revision's modules alone; before this one, serve.py was all of it."""
    assert process.ENTRY == "pytest_duet.workers.serve"


def test_a_kernel_that_forbids_it_is_let_be(monkeypatch):
    import ctypes

    class Refuses:
        def personality(self, asked):
            return 0 if asked.value == 0xFFFFFFFF else -1

    monkeypatch.setattr(serve, "has_fixed_layout", lambda: False)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Refuses())
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("started anew"))
    serve.fix_address_layout()


def test_the_flag_is_linux_s():
    ask = "import ctypes; ctypes.CDLL(None).personality(0x40000); print(open('/proc/self/personality').read())"
    done = subprocess.run([sys.executable, "-c", ask], text=True, capture_output=True)
    if done.returncode or not int(done.stdout, 16):
        pytest.skip("no such call here")
    assert int(done.stdout, 16) & NO_RANDOMIZE


def test_luck_changes_with_the_trial_and_with_nothing_else(monkeypatch):
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    lucks = [same_luck(number) for number in range(1, 17)]
    assert lucks == [same_luck(number) for number in range(1, 17)]
    assert len({luck["PYTHONHASHSEED"] for luck in lucks}) == 16
    paddings = {len(luck["DUET_PADDING"]) for luck in lucks}
    assert len(paddings) == 16 and max(paddings) < STACK_SPAN and all(padding % 16 == 0 for padding in paddings)
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    assert {same_luck(number)["PYTHONHASHSEED"] for number in (1, 2)} == {"7"}
