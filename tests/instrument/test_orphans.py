"""However pytest ends, its workers and whatever they started end with it."""

import signal
import subprocess

import pytest
from support import ROOT, left_behind, wait_until


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
@pytest.mark.parametrize("offender", ["hangs", "holds-the-lock", "breeds-and-hangs"])
def test_no_process_outlives_pytest(command, tmp_path, how, offender):
    line, environment = command(frameworks=offender)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell's background job ignores
    pytest_process = subprocess.Popen(line, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: (tmp_path / "cache" / "hanging").exists(), 60)
        assert len(left_behind(tmp_path)) >= 2, "a worker beside pytest"
        pytest_process.send_signal(how)
        pytest_process.wait(10)
        wait_until(lambda: not left_behind(tmp_path), 5)
    finally:
        pytest_process.kill()
        for process in left_behind(tmp_path):
            process.kill()
