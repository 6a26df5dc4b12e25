"""The side that waits stands still, whatever it would rather do; and who cannot be stopped is named."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from support import ROOT

from pytest_duet.errors import DuetError
from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.trials import pairs
from pytest_duet.trials.pairs import run_pair
from pytest_duet.trials.runner import Runner
from pytest_duet.trials.turns import WHOLE_ROUNDS, Cut
from pytest_duet.workers import standstill
from pytest_duet.workers.process import Worker

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells who runs, and what it used")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


@pytest.fixture
def spins():
    with Worker("spins", "tests.liars.subjects:Spins", threads=1) as worker:
        worker.open()
        worker.round(1)
        yield worker


def used(pid):
    """Return the CPU time that a process has used, in ticks."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return sum(map(int, file.read().rpartition(b")")[2].split()[11:13]))


def test_what_spins_after_its_turn_takes_no_core_while_it_waits(spins):
    both = [spins.pid, spins.call("child_id")]
    assert spins.stand_still() == []
    before = [used(pid) for pid in both]
    time.sleep(0.3)
    assert [used(pid) for pid in both] == before
    spins.go_on()
    deadline = time.monotonic() + 30
    while any(used(pid) <= was for pid, was in zip(both, before)):
        assert time.monotonic() < deadline, "it did not go on"
        time.sleep(0.01)
    assert spins.round(2).number == 2


def test_a_worker_that_stands_still_ends_like_any_other(spins):
    spins.stand_still()
    spins.close()
    assert spins.process.returncode == 0


def test_who_cannot_be_stopped_is_named(spins, monkeypatch):
    """As another user's process, which no signal reaches."""
    child = spins.call("child_id")
    with monkeypatch.context() as patched:
        patched.setattr(os, "killpg", lambda group, what: os.kill(group, what))
        patched.setattr(os, "kill", lambda pid, what: None if pid == child else signal_to(pid, what))
        patched.setattr(standstill, "PATIENCE_SECONDS", 1)  # the core may be somebody else's for a while
        assert spins.stand_still() == [child]


signal_to = os.kill


def test_who_left_the_group_is_stopped_too_and_goes_on(spins):
    child = spins.call("child_alone")
    try:
        assert spins.stand_still() == []
        before = used(child)
        time.sleep(0.1)
        assert used(child) == before
        spins.go_on()
        deadline = time.monotonic() + 30
        while used(child) <= before:
            assert time.monotonic() < deadline, "it did not go on"
            time.sleep(0.01)
    finally:
        os.kill(child, signal.SIGKILL)  # who left the group outlives the worker


def test_a_pair_says_so(monkeypatch):
    monkeypatch.setattr(standstill, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(standstill.Standstill, "_tell", lambda self, what: None)
    pair = run_pair(counts(), counts(), 1, MemorySampler, Cut(((0, 5), (5, 10))))
    assert len(pair.remarks) == 1
    assert "could not be stopped while their side waited" in pair.remarks[0]


def test_where_nobody_can_look_the_group_is_stopped(monkeypatch):
    """Another system, or a /proc of an outer namespace, where a number is somebody else's."""
    monkeypatch.setattr(standstill, "id_in_proc", lambda pid: pid + 1)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) as child:
        still = standstill.Standstill(child.pid)
        assert still.stop() == []
        assert os.WIFSTOPPED(os.waitpid(child.pid, os.WUNTRACED)[1])
        still.go_on()
        assert os.WIFCONTINUED(os.waitpid(child.pid, os.WCONTINUED)[1])
        child.send_signal(signal.SIGKILL)
    still.stop()  # nothing is there any more
    still.go_on()


def counts(name="Counts", **fields):
    subject = f"tests.liars.subjects:{name}"
    return Runner(name=name.lower(), subject=subject, rounds=4, threads=1, max_foreign_cores=99, **fields)


def test_sides_that_share_a_lock_are_let_go_and_told_of(monkeypatch, tmp_path):
    monkeypatch.setenv("SHARED_LOCK", str(tmp_path / "lock"))
    monkeypatch.setattr(pairs, "STALLED_SECONDS", 0.5)
    pair = run_pair(counts("Shares"), counts("Shares"), 1, MemorySampler, Cut(((0, 2), (2, 4), (4, 6), (6, 8)), 8))
    assert len(pair.remarks) == 1
    assert "as if it waited for it" in pair.remarks[0] and "neither side was stopped" in pair.remarks[0]
    assert len(pair.blocks) == 4, "all that were taken turns over but the block that stalled"
    assert pair.new.rounds[-1].evidence == pair.old.rounds[-1].evidence == {"total": 4 * 45}


def test_sides_that_talk_to_each_other_need_not_be_stopped(monkeypatch, tmp_path):
    monkeypatch.setenv("SHARED_LOCK", str(tmp_path / "lock"))
    pair = run_pair(counts("Shares"), counts("Shares"), 1, MemorySampler, Cut(((0, 5), (5, 10))), stop=False)
    assert pair.remarks == ()


def test_a_trial_too_short_for_two_turns_is_refused():
    with pytest.raises(DuetError, match="counts: in trial 1 .* more rounds or shorter turns"):
        run_pair(replace(counts(), rounds=3), replace(counts(), rounds=3), 1, MemorySampler, WHOLE_ROUNDS)
