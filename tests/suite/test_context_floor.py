"""What the GPU holds before there is a parameter, and what --preallocate changes: real workers, a made-up GPU."""

from dataclasses import replace

import pytest
from fake_nvml import FakeNvml
from support import ROOT

from benchmarks.frameworks import Entry, entries_of_file, preallocation
from benchmarks.trainer_runner import TrainerRunner
from benchmarks.workload.spec import Workload
from pytest_duet.sensors.gpu import Gpu
from pytest_duet.sensors.sampler import MemorySampler

MIB = 2**20
TRAINER = """
import os
from pathlib import Path

import numpy as np

from benchmarks.frameworks.trainer import Contract, NoGpu, Trainer
from benchmarks.workload import oracle

TRAINERS = {"ready": "Ready", "silent": "Silent", "blind": "Blind", "host": "OnTheHost", "cpu-only": "CpuOnly"}
HERE = Path(__file__).parent
print("imported", file=open(HERE / "imports", "a"))


class Ready(Trainer):
    contract = Contract("eager")
    device_name = "gpu:Fake"

    def __init__(self, workload, dataset, parameters, device):
        self.workload, self.dataset, self.params = workload, dataset, parameters
        (HERE / "memory").write_text("900")
        names = "XLA_PYTHON_CLIENT_PREALLOCATE", "TF_FORCE_GPU_ALLOW_GROWTH"
        (HERE / "variables").write_text(":".join(map(str, map(os.environ.get, names))))

    @staticmethod
    def matrix_product(device="cpu", precision="fp32"):
        def place(array):
            assert (device, precision, array.shape, array.dtype) == ("auto", "fp32", (1, 1), np.float32)
            (HERE / "memory").write_text("400")
            return array

        return place, np.matmul

    def train_epoch(self, order):
        batches = self.workload.batches(order)
        losses = oracle.Training(self.workload, self.params).train(batches, self.dataset)
        return float(np.average(losses, weights=[len(batch) for batch in batches]))

    def evaluate(self):
        return oracle.accuracy(self.workload, self.params, self.dataset)

    def parameters(self):
        return self.params


class Silent(Ready):
    @staticmethod
    def matrix_product(device="cpu", precision="fp32"):
        return None


class Blind(Ready):
    @staticmethod
    def matrix_product(device="cpu", precision="fp32"):
        raise NoGpu


class OnTheHost(Ready):
    device_name = "cpu"


class CpuOnly(Ready):
    cpu_only = "it is a test's"
    device_name = "cpu"
"""


@pytest.fixture
def runners(tmp_path, monkeypatch):
    """Return a runner for each trainer, by its name."""
    for name, value in preallocation(False).items():
        monkeypatch.setenv(name, value)  # for --isolation=none sets them for good
    (tmp_path / "trainer.py").write_text(TRAINER)
    workload = Workload(dataset="synthetic", layer_sizes=(784, 10), epochs=2)
    entries = {entry.name: entry for entry in entries_of_file(tmp_path / "trainer.py")}
    how = {"max_foreign_cores": 1e9, "threads": 1, "writable": (str(tmp_path),)}
    return {name: TrainerRunner(entry, workload, **how) for name, entry in entries.items()}


def card(tmp_path, hides=False):
    """Return a GPU that holds, of the one worker, as many MiB as it wrote into a file."""

    def held():
        file = tmp_path / "memory"
        return int(file.read_text()) * MIB if file.is_file() else 0

    def processes():
        return (
            {}
            if hides
            else {child.pid: held() for child in pytest.importorskip("psutil").Process().children() if held()}
        )

    return Gpu(FakeNvml(used=lambda: 100 * MIB + held(), processes=processes), "handle")


def floor(runner, gpu, tmp_path, **how):
    """Return the floor that the parity check's worker finds, and its source."""
    (tmp_path / "memory").unlink(missing_ok=True)
    batches = runner.workload.batches(runner.workload.order(1, 2048))[:2]
    found = runner.take_steps(batches, lambda: MemorySampler(gpu, **how))
    assert len(found["losses"]) == 2, "all else is as ever"
    return found["context_overhead_bytes"], found["context_overhead_source"]


def test_floor_is_what_the_process_holds_before_the_trainer_is_built(runners, tmp_path):
    assert floor(runners["ready"], card(tmp_path), tmp_path) == (400 * MIB, "nvml_process")
    assert (tmp_path / "imports").read_text().count("imported") == 1, "a trainer's file runs once in a process"


def test_floor_in_a_container_is_the_device_s_increase_and_says_so(runners, tmp_path):
    assert floor(runners["ready"], card(tmp_path, hides=True), tmp_path) == (400 * MIB, "nvml_device_delta")


@pytest.mark.parametrize(
    ("name", "changed", "how"),
    [
        ("host", {}, {}),
        ("cpu-only", {}, {}),
        ("silent", {}, {}),
        ("blind", {}, {}),
        ("host", {"device": "cpu"}, {}),
        ("ready", {"isolation": "none"}, {}),
        ("ready", {}, {"interval_seconds": 0}),
    ],
)
def test_floor_that_there_is_not_or_that_nobody_can_tell_is_none(runners, tmp_path, name, changed, how):
    runner = replace(runners[name], **changed)
    assert floor(runner, card(tmp_path), tmp_path, **how) == (None, None)


def test_no_gpu_no_floor(runners, tmp_path):
    assert floor(runners["ready"], None, tmp_path) == (None, None)


def test_another_revision_s_worker_is_not_asked(runners, tmp_path):
    """It may lack the call, and would die of it."""
    assert floor(replace(runners["ready"], root=str(ROOT)), card(tmp_path), tmp_path) == (None, None)


def test_preallocation_is_off_whatever_the_shell_says_and_on_when_asked(runners, monkeypatch, tmp_path):
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    for wanted, shown in ((False, "false:true"), (True, "true:false")):
        runner = replace(runners["ready"], preallocate=wanted)
        with runner.worker() as worker:
            worker.open(**runner.open_arguments())
        assert (tmp_path / "variables").read_text() == shown


def test_an_entry_s_own_variables_stand():
    entry = Entry("own", "x:Y", variables=(("XLA_PYTHON_CLIENT_PREALLOCATE", "mine"),))
    variables = TrainerRunner(entry, Workload()).open_arguments()["variables"]
    assert variables == {**preallocation(False), "XLA_PYTHON_CLIENT_PREALLOCATE": "mine"}


def test_preallocating_is_another_benchmark(suite):
    run = suite("--preallocate", "--epochs=2")
    assert run.exit_code == 0, run.output
    (row,) = run.json["benchmarks"]
    assert row["fullname"].endswith("preallocate]")
    assert row["extra_info"]["preallocate"] is True
    assert row["extra_info"]["context_overhead_bytes"] is None
    assert {epoch["memory_source"] for trial in row["extra_info"]["duet"]["trials"] for epoch in trial["rounds"]} == {
        "host_rss"
    }
