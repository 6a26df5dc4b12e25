"""On a real GPU: who does not wait for it is caught, who does is not, and every figure of it is there."""

import subprocess
import sys
from functools import cache

import pytest
from support import ROOT

from benchmarks.frameworks import REGISTRY
from benchmarks.peak.measured_peak import measure_peak
from benchmarks.trainer_runner import TrainerRunner
from benchmarks.workload.spec import Workload
from pytest_duet.sensors.gpu import find_gpu

SEES_A_GPU = {
    "torch": "import torch; assert torch.cuda.is_available(), 'PyTorch sees no GPU'",
    "jax": "import jax; assert jax.default_backend() == 'gpu', 'JAX sees no GPU'",
    "tensorflow": "import tensorflow as tf; assert tf.config.list_physical_devices('GPU'), 'TensorFlow sees no GPU'",
}
EPOCH_ON_THE_DEVICE = {"torch": "torch-cudagraph", "jax": "jax-scan", "tensorflow": "tensorflow-epoch"}
# 94 steps of products of 2048 columns: the device goes on for many milliseconds, and its parameters are read in a few.
MANY_STEPS = ("--layer-sizes=784,2048,2048,10", "--batch-size=64", "--epochs=4", "--device=gpu")

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(find_gpu() is None, reason="NVML sees no GPU here")]


@cache
def why_not(framework):
    """Return why a framework cannot use the GPU, in a line; empty where it can."""
    line = [sys.executable, "-c", SEES_A_GPU[framework]]
    return subprocess.run(line, capture_output=True, text=True).stderr.strip().rpartition("\n")[2]


@pytest.fixture(params=["torch", "jax"])
def on_gpu(request):
    if why_not(request.param):
        pytest.skip(why_not(request.param))
    return request.param


@pytest.fixture(params=list(SEES_A_GPU))
def any_on_gpu(request):
    if why_not(request.param):
        pytest.skip(why_not(request.param))
    return request.param


def test_a_trainer_that_does_not_wait_is_caught_and_one_that_does_is_not(suite, on_gpu):
    liar, honest = f"{on_gpu}-unsynchronised", EPOCH_ON_THE_DEVICE[on_gpu]
    path = f"--framework-path={ROOT}/tests/liars/unsynchronised_{on_gpu}.py"
    run = suite(path, *MANY_STEPS, frameworks=f"{liar},{honest}", timeout=600)
    outcome, message = run.outcomes[liar]
    assert outcome == "failure" and "returns before the device has finished" in message, message
    assert run.outcomes[honest] == ("passed", ""), run.output
    assert set(run.rows) == {honest}


def test_the_honest_have_every_figure_of_the_gpu(suite, any_on_gpu):
    names = [any_on_gpu, EPOCH_ON_THE_DEVICE[any_on_gpu]]
    run = suite("--device=gpu", "--layer-sizes=784,1024,1024,10", "--epochs=4", frameworks=",".join(names), timeout=600)
    assert {name: run.outcomes[name] for name in names} == dict.fromkeys(names, ("passed", "")), run.output
    for name in names:
        row = run.rows[name]
        assert row["device"].startswith("gpu:")
        memory = row["memory"]
        assert row["context_overhead_bytes"] > 100 * 2**20, "a CUDA context and its libraries"
        parameters = 4 * Workload().n_parameters
        assert memory["allocator_peak_bytes"] > parameters
        assert memory["nvml_device_delta_peak_bytes"] > parameters
        assert (memory["nvml_process_peak_bytes"] or 0) > parameters or row["nvml_process_hidden"], (
            "a figure, or why not"
        )
        busy = row["device_time"]
        assert busy is not None, row["device_time_missing"]
        assert busy["steps"] == row["steps_per_epoch"]
        assert 0 < busy["kernel_seconds"] <= busy["busy_seconds"] <= 1.05 * busy["profiled_seconds"]
        assert busy["busy_seconds"] <= busy["kernel_seconds"] + busy["copy_seconds"] + 1e-9
        assert 0 < row["device_busy_share"] < 1.5
        check_power_and_clock(row)


def check_power_and_clock(row):
    """Whatever NVML tells is of the size that cards of today have; what it does not tell is None."""
    idle = row["gpu_idle_watts"]
    assert idle is None or 3 < idle < 400  # from a card without a fan to one of a rack
    for epoch in [epoch for trial in row["trials"] for epoch in trial["rounds"]]:
        assert epoch["gpu_clock_mhz"] is None or 200 < epoch["gpu_clock_mhz"] < 3000
        joules, seconds = epoch["gpu_energy_joules"], epoch["gpu_energy_window_seconds"]
        assert joules is None or (idle is not None and -idle * seconds < joules < 2000 * seconds)
    joules = row["gpu_energy_joules"]
    assert joules is None or (idle is not None and joules < 2000 * row["epoch_seconds"] / 0.5)


@pytest.mark.slow
def test_the_gpu_s_limits_are_ordered_as_its_precisions_are():
    engines = [name for name in ("jax", "torch") if not why_not(name)]
    if not engines:
        pytest.skip("; ".join(why_not(name) for name in ("jax", "torch")))
    found = measure_peak([TrainerRunner(REGISTRY[name], Workload()) for name in engines], "gpu")
    rates = found["precisions"]
    assert found["engine"] in engines and found["flops_per_second"] == rates["fp32"]
    assert rates["bf16"] is None or rates["fp32"] < rates["bf16"]
    assert rates["tf32"] is None or rates["fp32"] < rates["tf32"]
    assert 1e12 < rates["fp32"] < 1e15
    assert 2e10 < found["copy_bytes_per_second"] < 1e14


def test_a_gpu_multiplies_and_copies_what_it_is_given(on_gpu):
    """In a process of its own: the framework may take hold of the GPU for good."""
    entry = REGISTRY[on_gpu]
    done = subprocess.run([sys.executable, "-c", MULTIPLY, entry.location], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


MULTIPLY = """
import sys
import numpy as np
from benchmarks.frameworks.loading import load_trainer

trainer = load_trainer(sys.argv[1])
random = np.random.RandomState(0)
left, right = random.standard_normal((64, 512)).astype("f4"), random.standard_normal((96, 512)).astype("f4").T
exact = left.astype("f8") @ right.astype("f8")
errors = {}


def as_numpy(array):
    return np.asarray(array.float().cpu() if hasattr(array, "cpu") else array).astype("f8")


for precision in ("fp32", "bf16", "tf32"):
    products = trainer.matrix_product("gpu", precision)
    if products:
        place, multiply = products
        factors = place(left), place(right)
        for count in (1, 205):  # more than are captured at once, and not a multiple of that
            error = np.abs(as_numpy(multiply(*factors, count)) - exact).max() / np.abs(exact).max()
            errors[precision, count] = error
print(errors, file=sys.stderr)
assert all(error < 2e-6 for (precision, _), error in errors.items() if precision == "fp32")
assert all(1e-5 < error < 2e-2 for (precision, _), error in errors.items() if precision != "fp32")
place, copy = trainer.device_copy("gpu")
assert as_numpy(copy(place(np.arange(1000, dtype="f4")), 3)).tolist() == list(range(1000))
"""
