"""The real frameworks keep their interface: parity on the synthetic data, in one session each."""

import ast
import configparser

import pytest
from support import ROOT

from benchmarks.frameworks import DEFAULT, REGISTRY, select
from benchmarks.frameworks.trainer import Contract, WrongHardware
from benchmarks.workload.spec import Workload
from pytest_duet.sensors.gpu import find_gpu

# The default ones in every run; the others with `tox -e tests -- -m slow`, where their environments have been made.
ALL = [name if name in DEFAULT else pytest.param(name, marks=pytest.mark.slow) for name in REGISTRY]


@pytest.mark.parametrize("name", ALL)
def test_a_framework_trains_what_the_oracle_trains(suite, name):
    run = suite("--layer-sizes=784,64,48,10", "--epochs=3", "--device=cpu", frameworks=name)
    outcome, message = run.outcomes[name]
    if outcome == "skipped":
        pytest.skip(message)
    assert outcome == "passed", message
    row = run.rows[name]
    assert row["labels"]["precision"] == "fp32"
    assert row["device"].startswith("cpu")
    assert row["versions"][REGISTRY[name].requires[0]][0].isdigit()
    assert row["parity"]["loss"] < 1e-5


def test_programs_that_a_user_keeps_spare_no_trainer_its_compilation(suite, tmp_path):
    """Nor does their folder, where a worker may not write, end its training."""
    trainer = tmp_path / "mine.py"
    trainer.write_text(
        "import os\n"
        "from tests.liars.trainers import Honest\n"
        "TRAINERS = {'mine': 'Mine'}\n"
        "class Mine(Honest):\n"
        "    def train_epoch(self, order):\n"
        "        assert not {'JAX_COMPILATION_CACHE_DIR', 'TORCHINDUCTOR_CACHE_DIR', 'CACHEDB'} & set(os.environ)\n"
        "        return super().train_epoch(order)\n"
    )
    kept = {"JAX_COMPILATION_CACHE_DIR": "/kept", "TORCHINDUCTOR_CACHE_DIR": "/kept", "CACHEDB": "/kept/programs"}
    run = suite(f"--framework-path={trainer}", frameworks="mine", environment=kept)
    assert run.outcomes["mine"] == ("passed", "")


def test_who_lacks_a_compiler_is_skipped_with_what_installs_it(suite, tmp_path):
    run = suite(
        "--device=cpu", frameworks="tinygrad,torch-compile", environment={"PATH": str(tmp_path), "CC": "", "CXX": ""}
    )
    for name, program in (("tinygrad", "clang"), ("torch-compile", "g++")):
        outcome, message = run.outcomes[name]
        assert outcome == "skipped", message
        assert f"{name}: no {program} on this machine; `apt-get install {program}`" in message


def test_whoever_names_a_compiler_of_his_own_has_one(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CC", "clang-19")
    assert REGISTRY["tinygrad"].missing_programs() == []
    monkeypatch.delenv("CC")
    assert REGISTRY["tinygrad"].missing_programs() == ["clang"]


@pytest.mark.slow
@pytest.mark.parametrize("name", DEFAULT)
def test_a_framework_can_be_run_in_process(suite, name):
    """Twice in one process: parity check and trial, as a debugger would want it."""
    run = suite("--isolation=none", "--epochs=2", "--device=cpu", frameworks=name)
    assert run.outcomes[name][0] == "passed", run.outcomes[name][1]


@pytest.mark.slow
def test_keras_keeps_the_backend_of_its_process(suite):
    """Else --isolation=none would measure the first backend again, under the name of the second."""
    run = suite("--isolation=none", "--epochs=2", "--device=cpu", frameworks="keras-jax,keras-torch")
    assert run.outcomes["keras-jax"][0] == "passed", run.outcomes["keras-jax"][1]
    outcome, message = run.outcomes["keras-torch"]
    assert outcome == "failure"
    assert message.startswith("KerasTorchTrainer trains with Keras on torch, and Keras runs on jax in this process")
    assert set(run.rows) == {"keras-jax"}


@pytest.mark.slow
def test_keras_on_torch_trains_on_the_device_that_it_was_given(suite, monkeypatch):
    """And not on Keras's own default: the GPU where there is one, here a device that computes nothing."""
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "meta")
    run = suite("--epochs=2", "--device=cpu", frameworks="keras-torch")
    assert run.outcomes["keras-torch"][0] == "passed", run.outcomes["keras-torch"][1]


@pytest.mark.parametrize("device", ["auto", "gpu"])
def test_torch_epoch_leaves_a_gpu_before_anything_is_put_there(monkeypatch, device):
    torch = pytest.importorskip("torch")
    from benchmarks.frameworks.torch_epoch import TorchEpochTrainer

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    with pytest.raises(WrongHardware, match="torch-cudagraph is the fastest"):
        TorchEpochTrainer(Workload(), None, None, device)


def test_every_entry_can_be_found_and_installed():
    """Its class is in its file, and its environment is one that tox knows and `tox -e all` makes."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    made = tox["testenv:all"]["commands_pre"].split("-e ")[1].split(",")
    for entry in REGISTRY.values():
        module, _, class_name = entry.location.partition(":")
        source = ROOT / (module.replace(".", "/") + ".py")
        classes = [node.name for node in ast.parse(source.read_text()).body if isinstance(node, ast.ClassDef)]
        assert class_name in classes, entry
        assert f"testenv:{entry.environment}" in tox and entry.environment in made, entry
    assert all(f"testenv:{name}" in tox for name in made)


@pytest.mark.skipif(find_gpu() is not None, reason="this machine has a GPU")
@pytest.mark.slow
def test_a_gpu_that_is_not_there_is_told_alike_by_all(suite):
    run = suite("--device=gpu", frameworks=",".join(DEFAULT))
    for name in DEFAULT:
        assert run.outcomes[name] == (
            "failure",
            f"{name}: it sees no GPU here; install its build for this machine's CUDA, or use --device=cpu.",
        )


@pytest.mark.parametrize(("visible", "tried"), [(None, ["NV", "CUDA"]), ("1", ["CUDA"])])
def test_tinygrad_takes_no_gpu_that_is_hidden(monkeypatch, visible, tried):
    tinygrad = pytest.importorskip("benchmarks.frameworks.engines.tinygrad_engine")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    asked = []

    class Backends:
        def __getitem__(self, name):
            asked.append(name)
            raise RuntimeError("no such device")

    monkeypatch.setattr(tinygrad, "Device", Backends())
    monkeypatch.setattr(tinygrad, "use_nvrtc_of_a_wheel", lambda: None)
    assert tinygrad.nvidia_backend() is None
    assert asked == tried


def test_selection_by_name_glob_and_all():
    def names(*patterns):
        return [entry.name for entry in select(patterns, REGISTRY)]

    assert names("torch", "jax") == ["jax", "torch"], "the registry's order"
    assert names("keras*") == ["keras", "keras-jax", "keras-torch", "keras-xla", "keras-steps"]
    assert names("all") == list(REGISTRY)


def test_a_contract_is_spelled_right_or_refused():
    with pytest.raises(ValueError, match="eager, compiled, graph, fused-epoch, not 'eagre'"):
        Contract("eagre")
