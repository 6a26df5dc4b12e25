"""Two sessions that time on the same cores wait for each other."""

import os
import subprocess
import sys
import threading

import pytest
from support import ROOT, wait_until

from pytest_duet.plugin.machine_lock import MachineLock, what_it_times_on

HOLD = """
import sys, time
from pathlib import Path
from pytest_duet.plugin.machine_lock import MachineLock
lock = MachineLock(sys.argv[2:], Path(sys.argv[1]))
lock.take(print)
print("taken", flush=True)
time.sleep(600)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


@pytest.fixture
def held(tmp_path):
    """A process that times on cores 0 and 1, until it is killed."""
    line = [sys.executable, "-c", HOLD, str(tmp_path), "core-0", "core-1"]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "taken\n"
        yield process
        process.kill()


def test_the_second_waits_and_says_for_what_until_the_first_is_gone(held, tmp_path):
    said, lock = [], MachineLock(["core-1", "core-2"], tmp_path)
    waiting = threading.Thread(target=lock.take, args=(said.append,))
    waiting.start()
    wait_until(lambda: said, 10)
    assert "timing on core 1" in said[0]
    assert waiting.is_alive()
    held.kill()  # it had no time to let go
    waiting.join(10)
    assert not waiting.is_alive()
    lock.release()


def test_who_times_on_other_cores_does_not_wait(held, tmp_path):
    said, lock = [], MachineLock(["core-2"], tmp_path)
    lock.take(said.append)
    lock.release()
    assert said == []


def test_who_let_go_is_not_waited_for(tmp_path):
    first, second, said = MachineLock(["core-0"], tmp_path), MachineLock(["core-0"], tmp_path), []
    first.take(said.append)
    first.release()
    second.take(said.append)
    second.release()
    assert said == []


def test_where_files_cannot_be_locked_nobody_waits(tmp_path):
    MachineLock(["core-0"], tmp_path / "no" / "such" / "folder").take(pytest.fail)


def test_a_session_waits_before_its_first_benchmark(command, tmp_path):
    """For whoever times on the core that this test has, and not for itself: what it starts is part of it."""
    line, environment = command("--epochs=2")
    environment["TMPDIR"] = str(tmp_path)
    cores = what_it_times_on("cpu")
    hold = [sys.executable, "-c", HOLD, str(tmp_path), *cores]
    with subprocess.Popen(hold, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "taken\n"
        session = subprocess.Popen(line, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        first = next(text for text in session.stdout if "waiting until it ends" in text)
        assert cores[0].replace("-", " ") in first
        assert session.poll() is None
        holder.kill()
    rest = session.communicate(timeout=60)[0]
    assert session.returncode == 0, rest
    assert os.environ.get("DUET_HOLDS_THE_MACHINE") is None
