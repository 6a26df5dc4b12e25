"""A whole session beside a made-up GPU: what NVML tells arrives in the JSON and, from there, in the table."""

import json
import os

import pytest
from support import ROOT

MIB = 2**20
TRAINER = """
import sys, time
sys.path.append({tests!r})
from liars.trainers import Honest

TRAINERS = {{"on-gpu": "OnGpu"}}


class OnGpu(Honest):
    device_name = "gpu:Fake"

    @staticmethod
    def matrix_product(device="cpu", precision="fp32"):
        return lambda array: array, None

    def train_epoch(self, order):
        if len(order) == len(self.dataset.train_labels):
            time.sleep(0.3)  # most of what the counter is read over, as in an epoch that is worth to be measured
        return super().train_epoch(order)

    def memory(self):
        return {{"allocator_peak_bytes": 31 * 2**20, "allocator_reserved_bytes": 64 * 2**20}}
"""
# 60 W idle and 100 W more while there are workers, each of which holds 300 MiB.
PYNVML = """
import sys, time
sys.path.append({tests!r})
import psutil
from fake_nvml import FakeNvml

millijoules, last = 0, time.monotonic()


def workers():
    return [child.pid for child in psutil.Process().children() if child.name().startswith("python")]


def count():
    global millijoules, last
    now = time.monotonic()
    millijoules += 1000 * (now - last) * (160 if workers() else 60)
    last = now
    return millijoules


sys.modules[__name__] = FakeNvml(
    used=lambda: 10**9 + len(workers()) * 300 * 2**20,
    processes=lambda: {{}} if {hides} else {{pid: 300 * 2**20 for pid in workers()}},
    millijoules=count,
)
"""


@pytest.mark.parametrize("hides", [False, True])
def test_session_on_a_gpu(suite, tmp_path, hides):
    tests = str(ROOT / "tests")
    (tmp_path / "nvml").mkdir()
    (tmp_path / "nvml" / "pynvml.py").write_text(PYNVML.format(tests=tests, hides=hides))
    (tmp_path / "gpu_trainer.py").write_text(TRAINER.format(tests=tests))
    path = os.pathsep.join(filter(None, [str(tmp_path / "nvml"), os.environ.get("PYTHONPATH")]))
    arguments = [f"--framework-path={tmp_path / 'gpu_trainer.py'}", "--epochs=3", "--memory-interval=0.02"]
    run = suite(*arguments, frameworks="on-gpu", environment={"PYTHONPATH": path})
    assert run.exit_code == 0, run.output
    row = run.rows["on-gpu"]
    memory, (trial,) = row["memory"], row["trials"]
    source = "nvml_device_delta" if hides else "nvml_process"
    assert row["context_overhead_bytes"] == 300 * MIB
    assert row["context_overhead_source"] == source
    assert {epoch["memory_source"] for epoch in trial["rounds"]} == {source}
    assert memory["nvml_process_peak_bytes"] == (None if hides else 300 * MIB)
    assert memory["nvml_device_delta_peak_bytes"] == 300 * MIB
    assert trial["nvml_process_hidden"] == (
        "NVML lists no process, as in a container that hides them" if hides else None
    )
    assert row["gpu_idle_watts"] == trial["gpu_idle_watts"] == pytest.approx(60, rel=0.3)
    assert row["gpu_energy_joules"] == trial["gpu_energy_joules"] == pytest.approx(30, rel=0.3)
    assert 0 < row["gpu_energy_error_joules"] == trial["gpu_energy_error_joules"] < 5
    assert all(epoch["gpu_energy_window_seconds"] > epoch["seconds"] for epoch in trial["rounds"])
    assert json.dumps(row), "plain"
    table = run.output.partition("GPU memory and energy")[2]
    (line,) = [line.strip() for line in table.splitlines() if line.startswith(" on-gpu ")]
    floor = "300 MiB, device delta" if hides else "300 MiB"
    shown = [floor, "31 MiB", "64 MiB", "-" if hides else "300 MiB", "300 MiB"]
    shown += [
        f"{row['gpu_energy_joules']:,.1f} J ± {row['gpu_energy_error_joules']:,.1f}",
        f"{row['gpu_idle_watts']:,.0f} W",
    ]
    assert line.split("  ", 1)[1].split()[: len(" ".join(shown).split())] == " ".join(shown).split()
    assert ("NVML's figure for the process is missing" in table) == hides
