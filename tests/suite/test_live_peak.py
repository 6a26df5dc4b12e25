"""The peak of live arrays is that of the work, not of compiling, which no process can forget once it has compiled."""

from dataclasses import replace

import pytest
from fake_nvml import FakeNvml
from support import ROOT

from benchmarks.frameworks import REGISTRY, entries_of_file
from benchmarks.summary import without_compiling
from benchmarks.trainer_runner import SUBJECT, TrainerRunner
from benchmarks.workload.spec import Workload
from pytest_duet.sensors.gpu import Gpu
from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.trials.trial import Memory, Trial
from pytest_duet.workers.process import Worker

MIB = 2**20
SMALL = Workload(dataset="synthetic", layer_sizes=(784, 10), epochs=2)
TRAINER = """
import os, sys
from pathlib import Path
sys.path.append(TESTS)
from liars.trainers import Honest

TRAINERS = {"compiles": "Compiles", "alone": "Alone", "keeps-all": "KeepsAll", "on-the-host": "OnTheHost"}


class Compiles(Honest):
    # Compiles a program for each number of steps unless it finds it kept, with 900 MiB of the allocator's memory; the
    # work takes 31 and as many as it takes hundreds of steps.
    device_name = "gpu:Fake"
    compiling_allocates = True
    peak, known = 0, ()

    def train_epoch(self, order):
        steps, where = len(order), os.environ.get("JAX_COMPILATION_CACHE_DIR")
        kept = where and Path(where) / f"{steps}.program"
        if steps not in self.known and not (kept and kept.exists()):
            self.peak = max(self.peak, 900)
            if kept:
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text("compiled")
        self.known = (*self.known, steps)
        self.peak = max(self.peak, 31 + steps // 12800)
        return super().train_epoch(order)

    def memory(self):
        return {"allocator_peak_bytes": self.peak * 2**20}


class Alone(Compiles):
    def __init__(self, *how):
        if list(Path(os.environ["JAX_COMPILATION_CACHE_DIR"]).glob("*.program")):
            raise MemoryError("the GPU is full")
        super().__init__(*how)


class KeepsAll(Compiles):
    compiling_allocates = False


class OnTheHost(Compiles):
    device_name = "cpu"
"""


@pytest.fixture
def steps(tmp_path):
    """Return what a trainer of the above is seen to do, by its name, as ``take_steps`` tells it."""
    (tmp_path / "trainer.py").write_text(TRAINER.replace("TESTS", repr(str(ROOT / "tests"))))
    entries = {entry.name: entry for entry in entries_of_file(tmp_path / "trainer.py")}

    def take(name, gpu=True, **how):
        runner = TrainerRunner(entries[name], SMALL, threads=1, **how)
        card = Gpu(FakeNvml(), "handle") if gpu else None
        return runner.take_steps(SMALL.batches(SMALL.order(1, 2048))[:2], lambda: MemorySampler(card))

    return take


def test_it_is_looked_for_in_a_process_that_finds_all_compiled(steps):
    found = steps("compiles")
    assert found["allocator_peak_bytes"] == 900 * MIB, "all that a process that compiles can tell"
    assert found["live_peak_bytes"] == 31 * MIB


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("keeps-all", {}),
        ("on-the-host", {}),
        ("compiles", {"gpu": False}),
        ("compiles", {"device": "cpu"}),
        ("compiles", {"isolation": "none"}),
        ("compiles", {"preallocate": True}),
        ("alone", {}),
    ],
)
def test_nobody_looks_where_a_trial_tells_the_same_or_nothing(steps, name, how):
    assert steps(name, **how)["live_peak_bytes"] is None


def test_the_trials_tell_it_instead_of_their_own():
    trial = Trial(Memory(allocator_peak_bytes=900))
    assert without_compiling(trial, 31) == replace(trial, memory=replace(trial.memory, allocator_peak_bytes=31))
    assert without_compiling(trial, None) is trial
    assert without_compiling(trial, 901) == trial, "an account of its own that is lower is the work's"
    unknown = Trial(Memory())
    assert without_compiling(unknown, 31) is unknown


def test_jax_takes_its_programs_from_the_process_before(tmp_path):
    pytest.importorskip("jax")
    runner = TrainerRunner(REGISTRY["jax"], SMALL, device="cpu", threads=1)

    def train():
        with Worker("jax", SUBJECT, writable=(str(tmp_path),)) as worker:
            worker.call("keep_programs", folder=str(tmp_path))
            worker.open(**runner.open_arguments())
            worker.round(1)
        return {path.name for path in tmp_path.iterdir() if path.name.endswith("-cache")}

    first = train()
    assert first
    assert train() == first, "not one was compiled anew"
