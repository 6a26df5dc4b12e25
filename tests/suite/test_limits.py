"""The machine's measured peaks: measured in bursts, by the best engine, once, and kept as long as they hold."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from fake_nvml import FakeNvml
from support import ROOT, TRAINERS

from benchmarks.frameworks import PEAK_SETTERS, REGISTRY, Entry
from benchmarks.frameworks.engines import rates as products
from benchmarks.frameworks.loading import load_trainer
from benchmarks.frameworks.trainer import NoGpu
from benchmarks.host import TrainerHost
from benchmarks.peak import kept as kept_peaks
from benchmarks.peak import measured_peak
from benchmarks.peak.measured_peak import NUMPY_ERROR, MeasuredPeaks, measure_peak, unknown
from benchmarks.trainer_runner import TrainerRunner
from benchmarks.training_row import Peak, TrainingRow
from benchmarks.workload.spec import Workload
from pytest_duet.sensors.cpu import usable_cores
from pytest_duet.sensors.gpu import find_gpu
from pytest_duet.trials import runner as trial
from pytest_duet.workers.protocol import WorkerError

WORKLOAD = Workload(layer_sizes=(784, 32, 10))


class Clock:
    """Stands still unless something takes its time."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(products, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def take(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_a_burst_is_so_long_that_handing_it_over_counts_for_little(clock):
    compiled = set()

    def run(count):
        clock.take(0 if count in compiled else 3)  # the first time, it is compiled
        compiled.add(count)
        clock.take(20e-6 + count * 2e-6)

    burst = products.Burst(run)
    assert burst.count == 1000, "of 1, 2, 5, 10, ..., the first that takes 2 ms"
    (best,) = products.best_seconds([burst], 0.1)
    assert best == pytest.approx(2.02e-6), "a single one would seem to take 22 µs"


def test_what_takes_long_is_not_repeated_and_what_takes_nothing_ends(clock):
    assert products.Burst(lambda count: clock.take(count * 0.5)).count == 1
    assert products.Burst(lambda count: None).count == products.MOST_AT_ONCE


@pytest.mark.parametrize(("at_least", "seconds"), [(1, 50e-6), (products.GPU_AT_ONCE, 2e-6)])
def test_on_a_gpu_a_burst_is_never_too_short_for_a_graph(clock, at_least, seconds):
    """Launched one by one, 50 products take more than 2 ms, though from 100 on they go as a graph."""

    def run(count):
        whole, rest = divmod(count, 100)
        clock.take(whole * 100 * 2e-6 + rest * 50e-6)

    (best,) = products.best_seconds([products.Burst(run, at_least)], 0.1)
    assert best == pytest.approx(seconds)


@pytest.mark.parametrize(("device", "fewest"), [("cpu", 1), ("gpu", 100)])
def test_products_of_a_gpu_are_never_handed_over_one_by_one(clock, monkeypatch, device, fewest):
    counts = []

    def multiply(left, right, count):
        counts.append(count)
        clock.take(0.01 * count)

    host = TrainerHost()
    trainer = SimpleNamespace(matrix_product=lambda device, precision: (np.asarray, multiply))
    monkeypatch.setattr(host, "_load", lambda location: trainer)
    assert host.product_rate(WORKLOAD.as_dict(), "nowhere:Nobody", [], 0.1, device)["rate"] > 0
    assert min(counts) == fewest


def test_the_best_time_counts_and_all_take_turns(clock):
    turns = []

    def operation(name, seconds):
        seconds = iter(seconds)
        return SimpleNamespace(seconds=lambda: turns.append(name) or clock.take(1) or next(seconds))

    found = products.best_seconds([operation("a", (5, 3, 9)), operation("b", (1, 1, 0.5))], 6)
    assert (found, turns) == ([3, 0.5], list("ababab"))


def test_a_rate_is_that_of_all_products_of_a_step(clock):
    """Each product takes as long as it has operations, at 1 GFLOP/s."""
    seen = set()

    def multiply(left, right, count):
        seen.add((left.shape, right.shape))
        clock.take(count * 2 * left.shape[0] * left.shape[1] * right.shape[1] / 1e9)

    assert products.matrix_product_rate(WORKLOAD, np.asarray, multiply, 0.1) == pytest.approx(1e9)
    forward, gradients, inputs = {((128, 784), (784, 32))}, {((784, 128), (128, 32))}, {((128, 10), (10, 32))}
    assert forward | gradients | inputs < seen and len(seen) == 5, "the images' own gradient is not needed"


def test_a_copy_reads_and_writes(clock):
    placed = []

    def copy(array, count):
        clock.take(count * array.nbytes / 1e9)

    assert products.copy_rate(lambda array: placed.append(array) or array, copy, 4096, 0.1) == pytest.approx(2e9)
    assert placed[0].nbytes == 4096 and placed[0].all(), "memory of zeros may be one page"


def test_what_is_copied_is_far_larger_than_the_caches(tmp_path):
    assert products.copy_bytes(tmp_path) == 2**29
    for index, size in enumerate(("48K", "2048K", "393216K", "strange")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(f"{size}\n")
    assert products.copy_bytes(tmp_path) == 4 * 384 * 2**20


@pytest.mark.parametrize("name", ["numpy", "torch", "jax", "tensorflow"])
def test_a_framework_multiplies_and_copies_what_it_is_given(name):
    entry = REGISTRY[name]
    pytest.importorskip(entry.requires[0])
    trainer = load_trainer(entry.location)
    random = np.random.RandomState(0)
    left, right = random.standard_normal((24, 40)).astype("f4"), random.standard_normal((30, 40)).astype("f4").T
    exact = left.astype("f8") @ right.astype("f8")
    errors = {}
    for precision in ("fp32", "bf16", "tf32"):
        found = trainer.matrix_product("cpu", precision)
        if found:
            place, multiply = found
            for count in (1, 3):
                product = np.array(_as_list(multiply(place(left), place(right), count)))
                errors[precision] = np.abs(product - exact).max() / np.abs(exact).max()
    assert errors.pop("fp32") < 1e-6
    assert "tf32" not in errors, "only GPUs have it"
    assert all(1e-4 < error < 1e-2 for error in errors.values()), "bf16 keeps 8 bits"
    assert bool(errors) == (name in ("torch", "jax"))
    copying = trainer.device_copy("cpu")
    if copying:
        place, copy = copying
        array = place(np.arange(1000, dtype="f4"))
        for count in (1, 3):
            copied = copy(array, count)
            assert _as_list(copied) == list(range(1000)) and copied is not array
    if find_gpu() is None:
        with pytest.raises(NoGpu):
            trainer.matrix_product("gpu")


def _as_list(array):
    return np.asarray(array.float() if hasattr(array, "float") else array).astype("f8").tolist()


def test_jax_computes_a_repeated_product_as_often_as_it_says():
    jax_trainer = pytest.importorskip("benchmarks.frameworks.engines.jax_engine")
    left, right = jax_trainer.jnp.ones((8, 16)), jax_trainer.jnp.ones((16, 4))
    compiled = jax_trainer.repeated_product.lower(left, right, count=50, precision="highest").compile().as_text()
    body = compiled[: compiled.index("ENTRY")]
    assert "while" in compiled and body.count(" dot(") >= 10, "XLA must not take the products out of the loop"
    assert jax_trainer.repeated_product(left, right, 50, "highest").tolist() == [[16.0] * 4] * 8


def test_a_user_s_trainer_claims_nothing():
    trainer = load_trainer(f"{TRAINERS}:Honest")
    assert trainer.matrix_product() is None and trainer.device_copy() is None


@pytest.mark.slow
def test_real_engines_and_what_is_missing_or_broken(monkeypatch):
    for name in PEAK_SETTERS:
        pytest.importorskip(name)
    monkeypatch.setattr(measured_peak, "SECONDS", dict.fromkeys(measured_peak.SECONDS, 0.05))
    monkeypatch.setattr(measured_peak, "TURNS", 1)
    entries = [REGISTRY[name] for name in PEAK_SETTERS]
    missing = Entry("missing", "benchmarks.frameworks.torch:TorchTrainer", ("no_such_module",))
    broken = Entry("broken", f"{TRAINERS}:NoSuchClass")
    silent = Entry("silent", f"{TRAINERS}:Honest")
    assert measure_peak([TrainerRunner(missing, WORKLOAD), TrainerRunner(broken, WORKLOAD)]) == unknown()
    found = measure_peak([TrainerRunner(entry, WORKLOAD) for entry in (missing, silent, broken, *entries)])
    assert found["engine"] in PEAK_SETTERS and found["engines"]["fp32"] == found["engine"]
    assert found["flops_per_second"] == found["precisions"]["fp32"] > 1e8
    assert found["precisions"]["tf32"] is None and found["copy_bytes_per_second"] > 1e8


class Engine:
    """A worker whose rates are made up; it serves the runner's name."""

    rates, started, variables = {}, [], None

    def __init__(self, name, *_, **__):
        self.name = name
        Engine.started.append(name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def call(self, call, precision="copy", device="cpu", variables=(), **_):
        rate = self.rates[self.name].get((device, precision), self.rates[self.name].get(precision))
        if rate == "broken":
            raise WorkerError("it broke")
        Engine.variables = variables
        return {"rate": next(rate) if hasattr(rate, "__next__") else rate}


@pytest.fixture
def engines(monkeypatch, tmp_path):
    monkeypatch.setattr(trial, "Worker", Engine)
    monkeypatch.setattr(Engine, "started", [])
    monkeypatch.setenv("FRAMEWORK_BENCHMARKS_CACHE", str(tmp_path))

    def make(**rates):
        monkeypatch.setattr(Engine, "rates", rates)
        return [TrainerRunner(Entry(name, "nowhere:Nobody"), WORKLOAD, threads=2) for name in rates]

    return make


def test_each_figure_is_the_best_engine_s(engines):
    runners = engines(
        slow={"fp32": iter([1e9, 5e9]), "bf16": 9e9, "tf32": None, "copy": "broken"},
        fast={"fp32": 3e9, "bf16": "broken", "tf32": None, "copy": 7e9},
    )
    found = measure_peak(runners)
    assert found.pop("measured") is not None
    assert found == {
        "flops_per_second": 5e9,
        "engine": "slow",
        "precisions": {"fp32": 5e9, "tf32": None, "bf16": 9e9},
        "copy_bytes_per_second": 7e9,
        "engines": {"fp32": "slow", "tf32": None, "bf16": "slow", "copy": "fast"},
    }
    assert Engine.started == ["slow", "fast"], "one worker each, for both turns"


def test_each_device_has_its_own_limit_and_is_measured_once(engines):
    runners = engines(one={("cpu", "fp32"): 1e9, ("gpu", "fp32"): 5e12})
    said = []
    found = MeasuredPeaks(runners, said.append)
    for _ in range(2):
        assert found("cpu")["flops_per_second"] == 1e9
        assert found("gpu:NVIDIA H200")["flops_per_second"] == 5e12
    assert said == ["measuring the machine's peak"] * 2, "one for each device"
    again = MeasuredPeaks(engines(one={"fp32": 99e9}), said.append)
    assert [again(device)["flops_per_second"] for device in ("cpu", "gpu")] == [1e9, 5e12], "from the earlier session"
    assert len(said) == 2


def card(monkeypatch, **state):
    nvml = FakeNvml(**state)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    return nvml


def on_gpu(runners):
    return MeasuredPeaks(runners)("gpu:Fake H200")["flops_per_second"]


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ({}, True),
        ({"bits": 0x04, "processes": {os.getpid(): 5}}, True),
        ({"refuses": ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetCurrentClocksThrottleReasons")}, True),
        ({"processes": {4242: 5}}, False),
        ({"bits": 0x40}, False),
    ],
)
def test_a_limit_that_a_gpu_reached_beside_others_or_throttled_is_not_kept(engines, monkeypatch, state, kept):
    card(monkeypatch, **state)
    assert on_gpu(engines(one={"fp32": 1e12})) == 1e12, "used all the same"
    assert on_gpu(engines(one={"fp32": 2e12})) == (1e12 if kept else 2e12)
    assert measured(engines(one={"fp32": 1e9})) == 1e9
    assert measured(engines(one={"fp32": 2e9})) == 1e9, "the CPU's has nothing to do with it"


def test_one_that_comes_while_a_limit_is_measured_spoils_it(engines, monkeypatch):
    nvml = card(monkeypatch)

    def meanwhile():
        yield 1e12
        nvml.processes = {4242: 5}
        yield 1e12

    assert on_gpu(engines(one={"fp32": meanwhile()})) == 1e12
    nvml.processes = {}
    assert on_gpu(engines(one={"fp32": 2e12})) == 2e12


def test_engines_are_told_what_trainers_are(engines):
    (runner,) = engines(one={"fp32": 1e9})
    measure_peak([replace(runner, entry=replace(runner.entry, variables=(("KERAS_BACKEND", "jax"),)))])
    assert Engine.variables == {
        "KERAS_BACKEND": "jax",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }


@pytest.mark.parametrize("name", measured_peak.VARIABLES)
def test_a_variable_that_changes_products_has_the_limit_measured_anew(engines, monkeypatch, name):
    monkeypatch.delenv(name, raising=False)
    assert measured(engines(one={"fp32": 1e9})) == 1e9
    monkeypatch.setenv(name, "1")
    assert measured(engines(one={"fp32": 2e9})) == 2e9


@pytest.mark.parametrize("python", [None, sys.executable])
def test_a_library_that_multiplies_has_the_limit_measured_anew(engines, monkeypatch, tmp_path, python):
    (runner,) = engines(one={"fp32": 1e9})
    runner = replace(runner, python=python)
    assert measured([runner]) == 1e9
    found = tmp_path / "site" / "nvidia_cublas_cu12-12.8.dist-info"
    found.mkdir(parents=True)
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: nvidia-cublas-cu12\nVersion: 12.8\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    engines(one={"fp32": 2e9})
    assert measured([runner]) == 2e9


def measured(runners, **how):
    return MeasuredPeaks(runners, **how)("cpu")["flops_per_second"]


def test_what_a_limit_depends_on_has_it_measured_anew(engines, monkeypatch):
    assert measured(engines(one={"fp32": 1e9})) == 1e9
    (runner,) = engines(one={"fp32": 2e9})
    assert measured([runner]) == 1e9
    others = [
        replace(runner, threads=1),
        replace(runner, workload=Workload(layer_sizes=(784, 64, 10))),
        replace(runner, workload=replace(WORKLOAD, batch_size=64)),
        replace(runner, entry=Entry("one", "nowhere:Nobody", ("numpy",))),
    ]
    assert [measured([other]) for other in others] == [2e9] * 4
    assert measured([replace(runner, workload=replace(WORKLOAD, seed=9, learning_rate=1.0))]) == 1e9
    monkeypatch.setattr(measured_peak, "fingerprint", lambda: {"cpu": "another"})
    assert measured([runner]) == 2e9


@pytest.mark.parametrize(("theirs", "kept_rate"), [(5e9, 5e9), (1e9, 3e9), ("broken", 3e9)])
def test_of_two_sessions_at_once_the_better_limit_is_kept(engines, theirs, kept_rate):
    def meanwhile():
        rates = Engine.rates
        measured(engines(one={"fp32": theirs}))
        engines(**rates)
        yield 2e9
        yield 3e9

    assert measured(engines(one={"fp32": meanwhile()})) == kept_rate
    assert measured(engines(one={"fp32": 1e6})) == kept_rate


def test_it_can_be_measured_again_and_the_new_one_is_kept(engines):
    assert measured(engines(one={"fp32": 5e9})) == 5e9
    assert measured(engines(one={"fp32": 2e9}), again=True) == 2e9
    assert measured(engines(one={"fp32": 9e9})) == 2e9


def test_a_failed_measurement_is_not_kept(engines):
    assert measured(engines(one={"fp32": "broken", "copy": 1e9})) is None
    assert measured(engines(one={"fp32": 2e9})) == 2e9


def kept(tmp_path):
    (path,) = (tmp_path / "limits").glob("*.json")
    return path


def test_where_threads_only_wait_for_each_other_a_core_alone_says_what_is_possible(monkeypatch):
    monkeypatch.setattr(measured_peak, "matrix_product_rate", lambda *_: 9e6)  # as beside somebody else's work
    peaks, workload = MeasuredPeaks([]), Workload(layer_sizes=(784, 32, 10))
    assert peaks.bound("cpu", workload) == (9e6, NUMPY_ERROR), "until somebody is faster than that"
    monkeypatch.setattr(measured_peak, "_rate_of_a_core", lambda _: 1e9)
    monkeypatch.setattr(measured_peak, "physical_cores", lambda: 3)  # whose hardware threads may be six
    assert peaks.bound("cpu", workload, again=True)[0] == 3e9


def test_the_rate_of_a_core_is_measured_in_a_process_of_its_own():
    assert 1e8 < measured_peak._rate_of_a_core(Workload(layer_sizes=(784, 32, 10))) < 1e12


def test_without_runners_nothing_is_measured_or_read(engines, tmp_path):
    assert MeasuredPeaks([])("cpu") == unknown()
    training = TrainingRow({}, measured_peak=Peak(flops_per_second=1), flops_per_second=2)
    MeasuredPeaks([]).check("cpu", training)
    assert not list(tmp_path.iterdir())


DAMAGE = {
    "empty": lambda file: "",
    "cut": lambda file: file[:-20],
    "no object": lambda file: "[1, 2]",
    "nothing in it": lambda file: "{}",
    "another schema": lambda file: file.replace('"schema": 1', '"schema": 7'),
    "another machine's": lambda file: file.replace('"usable_cores": ', '"usable_cores": 9'),
    "not a number": lambda file: file.replace("1000000000.0", "NaN"),
    "text": lambda file: file.replace("1000000000.0", '"1e9"'),
    "nothing": lambda file: file.replace("1000000000.0", "0"),
    "no rates": lambda file: file.replace('"precisions"', '"imprecisions"'),
    "no list": lambda file: file.replace('"limit": {', '"limit": 3, "was": {'),
    "binary": lambda file: b"\xff\xfe\x00",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_or_foreign_file_is_measured_over(engines, tmp_path, damage):
    assert measured(engines(one={"fp32": 1e9})) == 1e9
    path = kept(tmp_path)
    spoilt = damage(path.read_text())
    assert spoilt != path.read_text()
    path.write_bytes(spoilt if isinstance(spoilt, bytes) else spoilt.encode())
    assert measured(engines(one={"fp32": 2e9})) == 2e9
    assert measured(engines(one={"fp32": 3e9})) == 2e9, "and kept in its place"


def test_a_cache_that_cannot_be_written_is_done_without(engines, tmp_path):
    (tmp_path / "limits").write_text("a file where the folder should be")
    assert measured(engines(one={"fp32": 1e9})) == 1e9
    kept_peaks.drop({"no": "such key"})


def test_a_limit_that_a_row_beats_is_forgotten(engines, tmp_path):
    found = MeasuredPeaks(engines(one={"fp32": 1e9}))
    training = TrainingRow({}, measured_peak=Peak(**found("cpu")), flops_per_second=0.9e9)
    found.check("cpu", training)
    assert json.loads(kept(tmp_path).read_text())["key"]["layer_sizes"] == [784, 32, 10], "the key in clear"
    found.check("cpu", replace(training, flops_per_second=1.1e9))
    assert not list((tmp_path / "limits").iterdir())
    assert measured(engines(one={"fp32": 2e9})) == 2e9


@pytest.mark.parametrize(
    ("limit", "share"), [(1e15, True), pytest.param(1.0, False, marks=pytest.mark.slow)], ids=["kept", "beaten"]
)
def test_a_session_reads_what_was_kept_and_forgets_what_its_rows_beat(command, tmp_path, monkeypatch, limit, share):
    """The suite itself, on a limit planted in its cache: measuring one would take seconds."""
    line, environment = command()
    line.remove("--no-limit")
    monkeypatch.setenv("FRAMEWORK_BENCHMARKS_CACHE", environment["FRAMEWORK_BENCHMARKS_CACHE"])
    workload = Workload(dataset="synthetic", layer_sizes=(784, 32, 10))
    runners = [TrainerRunner(REGISTRY[name], workload, threads=usable_cores()) for name in PEAK_SETTERS]
    planted = dict(unknown(), flops_per_second=limit, engine="planted", copy_bytes_per_second=limit)
    kept_peaks.save(MeasuredPeaks(runners)._key("cpu"), planted)
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    (row,) = [bench["extra_info"] for bench in json.loads((tmp_path / "run.json").read_text())["benchmarks"]]
    assert row["measured_peak"] == planted, "read, not measured"
    for name, rate in (("peak_share", row["flops_per_second"]), ("copy_share", row["bytes_per_epoch"])):
        assert (row[name] is not None) is share
        assert not share or 0 < row[name] < rate
    assert len(list((tmp_path / "cache" / "limits").iterdir())) == share, "a limit that was beaten is none"
