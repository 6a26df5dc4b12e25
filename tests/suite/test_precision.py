"""Who multiplies in fewer bits says so, is off by as much as that causes, and is measured beside the others."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import plugin
from benchmarks.frameworks import REGISTRY, in_precisions
from benchmarks.frameworks.trainer import Contract, WrongHardware, in_precision
from benchmarks.proof import parity
from benchmarks.training_row import Peak
from benchmarks.workload import forward, oracle
from benchmarks.workload.dataset import synthetic
from benchmarks.workload.spec import Workload
from pytest_duet.errors import DuetError

WORKLOADS = {
    "mlp": Workload(dataset="synthetic", layer_sizes=(784, 64, 10)),
    "fast": Workload(dataset="synthetic", layer_sizes=(784, 64, 10), learning_rate=0.02),
    "cnn": Workload.usual("cnn", dataset="synthetic"),
    "transformer": Workload.usual("transformer", dataset="synthetic"),
}


@pytest.fixture(scope="module")
def data():
    return synthetic()


def steps_of(workload, data, multiplied_in):
    """Return the first steps of a trainer in float32 whose products' factors are rounded."""
    training = oracle.Training(workload, workload.initial_parameters())
    with forward.rounded_to(multiplied_in):
        losses = training.train(parity.parity_batches(workload, len(data.train_labels)), data)
    return {"losses": losses, "parameters": training.parameters, "contract": {"data": "host-fed"}}


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_who_rounds_as_it_says_is_believed(data, precision, name):
    workload = replace(WORKLOADS[name], precision=precision)
    parity.check_steps("honest", steps_of(workload, data, precision), workload, data)


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize(
    ("said", "done"),
    [("bf16", "fp32"), ("bf16", "tf32"), ("tf32", "bf16"), ("tf32", "fp32"), ("fp32", "tf32"), ("fp32", "bf16")],
)
def test_who_multiplies_in_another_precision_is_caught(data, said, done, name):
    workload = replace(WORKLOADS[name], precision=said)
    with pytest.raises(
        parity.ParityError, match=r"liar: (parity fails|its updates are off by .* rounded to .*, as its)"
    ):
        parity.check_steps("liar", steps_of(workload, data, done), workload, data)


@pytest.mark.parametrize(("precision", "bits"), [("tf32", 10), ("bf16", 7)])
def test_factors_are_rounded_to_the_nearest_and_ties_to_even(precision, bits):
    some = np.random.RandomState(0).standard_normal((50, 40)).astype(np.float32).T  # not in the order of its memory
    step = 2.0**-bits
    ties = np.float32([1 + step / 2, 1 + 3 * step / 2, -1 - step / 2, 1 + step / 2 + 2**-20, 0, 1])
    with forward.rounded_to(precision):
        found = forward.rounded(some)
        assert forward.rounded(ties).tolist() == [1, 1 + 2 * step, -1, 1 + step, 0, 1]
    fraction, _ = np.frexp(found)
    assert np.array_equal(fraction * 2 ** (bits + 1), np.rint(fraction * 2 ** (bits + 1))), "so many bits are left"
    assert 0 < np.abs(found / some - 1).max() <= step / 2
    assert np.array_equal(forward.rounded(some), some), "and outside, all of them"


def test_an_entry_in_another_precision_is_one_of_its_own():
    fp32, bf16 = in_precisions([REGISTRY["jax"]], "fp32, bf16")
    assert fp32 is REGISTRY["jax"] and (bf16.name, bf16.precision) == ("jax-bf16", "bf16")
    assert fp32.for_workload(Workload()) is fp32
    assert bf16.for_workload(Workload()).location == REGISTRY["jax"].general
    with pytest.raises(DuetError, match="--precision: 'fp16' is none of fp32, tf32, bf16"):
        in_precisions([fp32], "fp16")


def test_the_exact_path_is_that_of_all_precisions():
    bf16 = Workload(precision="bf16")
    assert bf16.digest() == Workload().digest() and bf16.label() == ""
    assert bf16.described()["precision"] == "bf16", "and what is saved tells them apart"


def test_tf32_is_what_gpus_multiply_in():
    assert in_precision(Contract("eager"), "tf32", "gpu:NVIDIA H200").precision == "tf32"
    with pytest.raises(WrongHardware, match="TF32 is what GPUs multiply in"):
        in_precision(Contract("eager"), "tf32", "cpu")


def test_the_peak_is_that_of_the_products_precision():
    peak = Peak(flops_per_second=1e11, precisions={"fp32": 1e11, "bf16": 3e11, "tf32": None})
    assert [peak.rate({}), peak.rate({"precision": "bf16"}), peak.rate({"precision": "tf32"})] == [1e11, 3e11, None]


def test_accuracy_may_differ_by_what_the_precision_allows():
    allowed = parity.TOLERANCES["bf16"].accuracy
    assert not parity.accuracy_agrees(0.88, 0.8823) and parity.accuracy_agrees(0.88, 0.8823, allowed)
    assert not parity.accuracy_agrees(0.8772, 0.8823, allowed)


def test_a_trainer_is_held_to_what_it_was_asked_for(suite, tmp_path):
    """One's own is asked for what the option says; who says it and does not do it is caught."""
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\n"
        "from tests.liars.trainers import Honest\n"
        "TRAINERS = {'deaf': 'Deaf', 'boasts': 'Boasts', 'rounds': 'Rounds'}\n"
        "class Deaf(Honest):\n"
        "    '''Has one precision.'''\n"
        "class Boasts(Honest):\n"
        "    def __init__(self, workload, *others):\n"
        "        super().__init__(workload, *others)\n"
        "        self.contract = replace(self.contract, precision=workload.precision)\n"
        "class Rounds(Boasts):\n"
        "    def train_epoch(self, order):\n"
        "        from benchmarks.workload import forward, oracle\n"
        "        batches = self.workload.batches(order)\n"
        "        with forward.rounded_to(self.workload.precision):\n"
        "            losses = oracle.Training(self.workload, self.params).train(batches, self.dataset)\n"
        "        return sum(loss * len(batch) for loss, batch in zip(losses, batches)) / len(order)\n"
    )
    names = "deaf,boasts,rounds,numpy,jax"
    run = suite(f"--framework-path={tmp_path}/mine.py", f"--frameworks={names}", "--precision=bf16", frameworks=None)
    told = {name: message for name, (_, message) in run.outcomes.items()}
    assert "deaf-bf16: its contract says fp32, and it was asked to train in bf16" in told["deaf-bf16"]
    assert "boasts-bf16: its updates are off by" in told["boasts-bf16"]
    assert "numpy-bf16: it trains the multilayer perceptron with tanh" in told["numpy-bf16"]
    assert run.outcomes["rounds-bf16"] == ("passed", "")
    assert run.rows["rounds-bf16"]["workload"]["precision"] == "bf16"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, entry in REGISTRY.items() if entry.general])
def test_each_framework_trains_in_bf16(name, suite):
    pytest.importorskip(REGISTRY[name].requires[0])
    asked = f"--frameworks={name}", "--precision=fp32,bf16,tf32", "--dataset=synthetic", "--epochs=3", "--trials=1"
    run = suite(*asked, frameworks=None, small=False, timeout=600)
    if "CUDA graphs need an NVIDIA GPU" in run.outcomes[name][1]:
        pytest.skip("it trains on a GPU alone")
    assert run.outcomes[name] == run.outcomes[f"{name}-bf16"] == ("passed", ""), run.output
    assert run.outcomes[f"{name}-tf32"][0] == "skipped"
    exact, rounded = (run.rows[each]["parity"]["update"] for each in (name, f"{name}-bf16"))
    assert rounded > 8 * exact


@pytest.mark.parametrize(
    ("subject", "name", "is_asked"),
    [
        ("jax-bf16", "benchmarks/test_training.py::test_training_epoch[jax-bf16]", False),
        ("torch-bf16", "benchmarks/test_training.py::test_training_epoch[torch-bf16]", True),
        ("mine-bf16", "benchmarks/test_training.py::test_training_epoch[mine-bf16]", True),
        ("torch-bf16", "benchmarks/test_inference.py::test_latency[torch-bf16]", False),
    ],
)
def test_a_precision_that_was_not_asked_for_is_not_missed(subject, name, is_asked):
    """And one's own trainer is, whatever it is called; an export of that name belongs to another question."""
    options = SimpleNamespace(entries={"torch": 1, "torch-bf16": 2})
    given = {"suite": [], "markexpr": ""}
    config = SimpleNamespace(stash={plugin.OPTIONS: options}, getoption=given.get, args=[])
    assert plugin.pytest_duet_asked(config, subject, name) is is_asked
