"""A GPU's clock is held while a session times, and let go when it ends, also where it was killed."""

import os
import signal
import subprocess
import sys

import pytest
from support import ROOT, wait_until

from pytest_duet.errors import DuetError
from pytest_duet.sensors.locked_clocks import LOCKED, LockedClocks

# NVML whose calls are lines of a file; as nvidia-ml-py 13.615.71 names them.
PYNVML = """
import sys
sys.path.append({tests!r})
from fake_nvml import FakeNvml


class NVMLError_NoPermission(Exception):
    pass


class Nvml(FakeNvml):
    def nvmlDeviceGetUUID(self, handle):
        return "GPU-1"

    def nvmlDeviceGetHandleByUUID(self, uuid):
        return uuid

    def nvmlDeviceSetGpuLockedClocks(self, handle, low, high):
        if handle in {refused!r}:
            raise NVMLError_NoPermission("Insufficient Permissions")
        self.note("lock", handle, low, high)

    def nvmlDeviceResetGpuLockedClocks(self, handle):
        self.note("reset", handle)

    def note(self, *words):
        with open({calls!r}, "a") as file:
            print(*words, file=file)


sys.modules[__name__] = Nvml()
"""


@pytest.fixture
def nvml(tmp_path, monkeypatch):
    """Make NVML such that everybody finds it, with the cards that it refuses to lock; return its calls so far."""
    folder, calls = tmp_path / "nvml", tmp_path / "calls"

    def make(*refused):
        folder.mkdir()
        text = PYNVML.format(tests=str(ROOT / "tests"), calls=str(calls), refused=refused)
        (folder / "pynvml.py").write_text(text)
        monkeypatch.syspath_prepend(folder)
        return lambda: calls.read_text().splitlines() if calls.exists() else []

    monkeypatch.delenv(LOCKED, raising=False)
    return make


def test_they_are_held_until_they_are_let_go(nvml):
    calls = nvml()
    held = LockedClocks(1200, ["GPU-1", "GPU-2"])
    assert calls() == ["lock GPU-1 1200 1200", "lock GPU-2 1200 1200"]
    assert os.environ[LOCKED] == "1200"
    held.release()
    assert calls()[2:] == ["reset GPU-1", "reset GPU-2"]
    assert LOCKED not in os.environ


def test_where_one_is_refused_the_others_are_let_go(nvml):
    calls = nvml("GPU-2")
    with pytest.raises(DuetError, match="NVMLError_NoPermission: Insufficient Permissions.*sudo nvidia-smi"):
        LockedClocks(1200, ["GPU-1", "GPU-2"])
    assert calls() == ["lock GPU-1 1200 1200", "reset GPU-1"]
    assert LOCKED not in os.environ


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_they_are_let_go_where_whoever_held_them_is_killed(nvml, tmp_path, how):
    calls = nvml()
    text = "from pytest_duet.sensors.locked_clocks import LockedClocks; import time; "
    text += "held = LockedClocks(1200, ['GPU-1']); print('held', flush=True); time.sleep(60)"
    path = os.pathsep.join([str(tmp_path / "nvml"), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert process.stdout.readline() == "held\n"
    assert calls() == ["lock GPU-1 1200 1200"]
    process.send_signal(how)
    process.communicate()
    wait_until(lambda: len(calls()) == 2, 20)
    assert calls()[1] == "reset GPU-1"


def test_a_session_holds_them_from_its_first_benchmark_to_its_end(nvml, suite, tmp_path):
    calls = nvml()
    run = suite(
        "--lock-clocks=1200", "--epochs=2", "--memory-interval=0", environment={"PYTHONPATH": str(tmp_path / "nvml")}
    )
    assert run.exit_code == 0, run.output
    assert calls() == ["lock GPU-1 1200 1200", "reset GPU-1"]
    assert run.json["machine_info"]["fingerprint"]["gpu"]["locked_clock_mhz"] == 1200, "compared with such runs alone"


def test_a_session_that_may_not_hold_them_measures_nothing(nvml, suite, tmp_path):
    nvml("GPU-1")
    run = suite(
        "--lock-clocks=1200", "--epochs=2", "--memory-interval=0", environment={"PYTHONPATH": str(tmp_path / "nvml")}
    )
    assert run.exit_code == 4
    assert "--lock-clocks=1200: NVMLError_NoPermission: Insufficient Permissions" in run.output


def test_without_a_gpu_there_is_no_clock_to_hold(suite):
    run = suite("--lock-clocks=1200", "--epochs=2")
    assert run.exit_code == 4
    assert "--lock-clocks=1200: NVML sees no GPU here." in run.output
