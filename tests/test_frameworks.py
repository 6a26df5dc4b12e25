"""The real frameworks keep their interface: parity on the synthetic data, in one session each."""

import pytest
from support import TRAINERS

from benchmarks.frameworks import DEFAULT, LIMIT_SETTERS, REGISTRY, Entry, select
from benchmarks.frameworks.trainer import Contract
from benchmarks.measure.gpu import find_gpu
from benchmarks.measure.trial import measure_limit
from benchmarks.workload.spec import Workload


@pytest.mark.parametrize("name", DEFAULT)
def test_a_framework_trains_what_the_oracle_trains(suite, name):
    pytest.importorskip(REGISTRY[name].requires[0])
    run = suite("--layer-sizes=784,64,48,10", "--epochs=3", "--device=cpu", frameworks=name)
    outcome, message = run.outcomes[name]
    assert outcome == "passed", message
    row = run.rows[name]
    assert row["contract"]["precision"] == "fp32"
    assert row["device"].startswith("cpu")
    assert row["versions"][REGISTRY[name].requires[0]][0].isdigit()
    assert row["parity"]["loss"] < 1e-5


@pytest.mark.parametrize("name", DEFAULT)
def test_a_framework_can_be_run_in_process(suite, name):
    """Twice in one process: parity check and trial, as a debugger would want it."""
    pytest.importorskip(REGISTRY[name].requires[0])
    run = suite("--isolation=none", "--epochs=2", "--device=cpu", frameworks=name)
    assert run.outcomes[name][0] == "passed", run.outcomes[name][1]


@pytest.mark.skipif(find_gpu() is not None, reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_told_alike_by_all(suite):
    run = suite("--device=gpu", frameworks=",".join(DEFAULT))
    for name in DEFAULT:
        assert run.outcomes[name] == (
            "failure",
            f"{name}: it sees no GPU here; install its build for this machine's CUDA, or use --device=cpu.",
        )


def test_the_limit_is_the_best_engine_s():
    """Each engine's own rate, and a framework that is missing or broken, which is passed over."""
    entries = [REGISTRY[name] for name in LIMIT_SETTERS]
    workload = Workload(layer_sizes=(784, 64, 10))
    single = [measure_limit(workload, [entry])["flops_per_second"] for entry in entries]
    missing = Entry("missing", "benchmarks.frameworks.torch:TorchTrainer", ("no_such_module",))
    broken = Entry("broken", f"{TRAINERS}:NoSuchClass")
    found = measure_limit(workload, [missing, *entries, broken])
    assert all(rate > 1e8 for rate in single)
    assert found["engine"] in LIMIT_SETTERS
    assert measure_limit(workload, [missing, broken]) == {"flops_per_second": None, "engine": None}


def test_selection_by_name_glob_and_all():
    def names(*patterns):
        return [entry.name for entry in select(patterns, REGISTRY)]

    assert names("torch", "jax") == ["jax", "torch"], "the registry's order"
    assert names("ke*") == ["keras"]
    assert names("all") == list(REGISTRY)


def test_a_contract_is_spelled_right_or_refused():
    with pytest.raises(ValueError, match="eager, compiled, graph, fused-epoch, not 'eagre'"):
        Contract("eagre")
