"""Workers under other interpreters: environments that are found, named, missing, or too bare to work in."""

import importlib
import sys
from types import SimpleNamespace

import pytest
from fake_nvml import FakeNvml

from benchmarks.frameworks import REGISTRY, Entry
from benchmarks.frameworks.gpu_builds import built_for_cpus
from benchmarks.frameworks.interpreters import find_interpreter, interpreter_of, missing
from benchmarks.options import Options

HERE = Entry("here", "nowhere:Nobody", ("numpy",), "there")
ELSEWHERE = Entry("elsewhere", "nowhere:Nobody", ("no_such_module",), "there")
JAX, MLX, CAFFE2 = (REGISTRY[name] for name in ("jax", "mlx", "caffe2"))

# What the wheels of builds for CPUs and for GPUs leave in site-packages, as far as it tells one from the other.
CPU_BUILDS = {
    "jax/__init__.py": "",
    "jaxlib/__init__.py": "",
    "torch/__init__.py": "",
    "torch/version.py": "__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\nhip: Optional[str] = None\n",
    "tensorflow/__init__.py": "",
    "tensorflow/python/platform/build_info.py": "OrderedDict([('is_cuda_build', False), ('is_rocm_build', False)])",
    "mlx/core.so": "",
    "mlx_cpu-0.32.4.dist-info/METADATA": "",
}
GPU_BUILDS = {
    **CPU_BUILDS,
    "jax_plugins/xla_cuda13/__init__.py": "",
    "torch/version.py": "__version__ = '2.15.0+cu132'\ncuda: Optional[str] = '13.2'\nhip: Optional[str] = None\n",
    "tensorflow/python/platform/build_info.py": "OrderedDict([('is_cuda_build', True), ('is_rocm_build', False)])",
    "mlx_cuda_13-0.32.4.dist-info/METADATA": "",
}


def make_environment(directory, name="there"):
    """Make what looks like a virtual environment: an interpreter of the suite's own, under another path."""
    python = interpreter_of(directory / name)
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return str(python)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Call it with files and their texts, and they are all that this interpreter has installed."""

    def install(files):
        site_packages = tmp_path / "site-packages"
        for name, text in files.items():
            (site_packages / name).parent.mkdir(parents=True, exist_ok=True)
            (site_packages / name).write_text(text)
        for name in ("jax", "jax_plugins", "jaxlib", "torch", "tensorflow", "mlx", "caffe2", "nvidia"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setattr(sys, "path", [str(site_packages)])
        importlib.invalidate_caches()

    return install


def test_what_this_interpreter_has_runs_here(tmp_path):
    make_environment(tmp_path)
    assert find_interpreter(HERE, {}, tmp_path) == (None, None)


def test_what_it_lacks_runs_in_its_environment(tmp_path, monkeypatch):
    assert find_interpreter(ELSEWHERE, {}, tmp_path) == (None, None)
    python = make_environment(tmp_path)
    assert find_interpreter(ELSEWHERE, {}, tmp_path) == (python, "there")
    assert find_interpreter(ELSEWHERE, {}, None) == (None, None)
    monkeypatch.chdir(tmp_path)
    assert find_interpreter(ELSEWHERE, {}, ".") == (python, "there"), "workers start in another directory"


def test_a_named_interpreter_goes_first(tmp_path):
    make_environment(tmp_path)
    assert find_interpreter(ELSEWHERE, {"elsewhere": "/a/python"}, tmp_path) == ("/a/python", "elsewhere")
    assert find_interpreter(HERE, {"there": "/b/python"}, tmp_path) == ("/b/python", "there")


def test_on_a_gpu_a_build_for_gpus_runs_here(tmp_path, installed):
    """As in an image that brings everything, or in `tox -e gpu`, whatever other environments there are."""
    installed(GPU_BUILDS)
    assert find_interpreter(JAX, {}, tmp_path, on_gpu=True) == (None, None)
    make_environment(tmp_path, "gpu-jax")
    assert find_interpreter(JAX, {}, tmp_path, on_gpu=True) == (None, None)


def test_on_a_gpu_an_environment_goes_before_a_build_for_cpus(tmp_path, installed):
    installed(CPU_BUILDS)
    make_environment(tmp_path, "cpu")
    assert find_interpreter(JAX, {}, tmp_path, on_gpu=True) == (None, None), "no better one exists"
    shared = make_environment(tmp_path, "gpu")
    assert find_interpreter(JAX, {}, tmp_path, on_gpu=True) == (shared, "gpu")
    own = make_environment(tmp_path, "gpu-jax")
    assert find_interpreter(JAX, {}, tmp_path, on_gpu=True) == (own, "gpu-jax")
    assert find_interpreter(JAX, {}, tmp_path, on_gpu=False) == (None, None)


def test_on_a_gpu_what_is_missing_here_runs_in_its_environment_of_gpus_alone(tmp_path, installed):
    installed({})
    cpu = make_environment(tmp_path, "mlx")
    assert find_interpreter(MLX, {}, tmp_path) == (cpu, "mlx")
    assert find_interpreter(MLX, {}, tmp_path, on_gpu=True) == (None, None), "it would train on a CPU beside GPUs"
    gpu = make_environment(tmp_path, "gpu-mlx")
    assert find_interpreter(MLX, {}, tmp_path, on_gpu=True) == (gpu, "gpu-mlx")
    assert find_interpreter(MLX, {}, tmp_path) == (cpu, "mlx")


def test_on_a_gpu_what_has_no_build_for_it_runs_where_it_always_does(tmp_path, installed):
    installed(CPU_BUILDS)
    python = make_environment(tmp_path, "caffe2")
    make_environment(tmp_path, "gpu-torch")
    assert find_interpreter(CAFFE2, {}, tmp_path, on_gpu=True) == (python, "caffe2")
    installed({**CPU_BUILDS, "caffe2/python/__init__.py": ""})
    assert find_interpreter(CAFFE2, {}, tmp_path, on_gpu=True) == (None, None)


def test_on_a_gpu_a_named_interpreter_goes_first(tmp_path, installed):
    installed(GPU_BUILDS)
    make_environment(tmp_path, "gpu-jax")
    for name in ("jax", "gpu-jax", "gpu", "cpu"):
        assert find_interpreter(JAX, {name: "/a/python"}, tmp_path, on_gpu=True) == ("/a/python", name)
    both = {"cpu": "/a/python", "gpu-jax": "/b/python"}
    assert find_interpreter(JAX, both, tmp_path, on_gpu=True) == ("/b/python", "gpu-jax")
    assert find_interpreter(JAX, both, tmp_path) == ("/a/python", "cpu")


def test_builds_for_cpus_are_told_from_their_files(installed):
    modules = ["jax", "jaxlib", "torch", "tensorflow", "mlx.core", "numpy", "no_such_module"]
    installed(CPU_BUILDS)
    assert built_for_cpus(modules) == ["jax", "torch", "tensorflow", "mlx.core"]


def test_builds_for_gpus_are_told_from_their_files(installed):
    installed(GPU_BUILDS)
    assert built_for_cpus(["jax", "jaxlib", "torch", "tensorflow", "mlx.core"]) == []


def test_a_build_whose_files_do_not_tell_is_left_to_its_worker(installed):
    installed({"torch/__init__.py": "", "tensorflow/__init__.py": "", "mlx/core.so": ""})
    assert built_for_cpus(["torch", "tensorflow", "mlx.core"]) == []


@pytest.mark.parametrize("folder", ["nvidia/cuda_nvrtc/lib", "nvidia/cu13/lib"])  # CUDA 12's wheel, and CUDA 13's
def test_tinygrad_is_told_of_the_compiler_in_a_wheel(installed, tmp_path, monkeypatch, folder):
    pytest.importorskip("tinygrad")
    monkeypatch.setenv("CACHEDB", str(tmp_path / "cache.db"))  # else its import here sets it, for later tests too
    from benchmarks.frameworks.engines import tinygrad_engine

    loaded = []
    monkeypatch.setattr(tinygrad_engine.ctypes, "CDLL", loaded.append)
    monkeypatch.setenv("NVRTC_PATH", "/of/its/user")
    files = ("libnvrtc.so.13", "libnvrtc.alt.so.13", "libnvrtc-builtins.so.13.0", "libnvrtc-builtins.alt.so.13.0")
    installed({f"{folder}/{name}": "" for name in files})
    tinygrad_engine.use_nvrtc_of_a_wheel()
    assert tinygrad_engine.os.environ["NVRTC_PATH"] == "/of/its/user" and not loaded
    monkeypatch.delenv("NVRTC_PATH")
    tinygrad_engine.use_nvrtc_of_a_wheel()
    assert tinygrad_engine.os.environ["NVRTC_PATH"] == str(tmp_path / "site-packages" / folder / "libnvrtc.so.13")
    assert loaded == [str(tmp_path / "site-packages" / folder / "libnvrtc-builtins.so.13.0")]


@pytest.mark.parametrize(
    ("device", "gpu", "expected"),
    [("gpu", False, True), ("gpu", True, True), ("auto", True, True), ("auto", False, False), ("cpu", True, False)],
)
def test_a_session_trains_on_a_gpu_where_it_is_told_to_or_finds_one(monkeypatch, device, gpu, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(refuses=() if gpu else ("nvmlInit",)))
    assert Options.on_gpu(SimpleNamespace(device=device)) is expected


def test_a_session_on_a_gpu_joins_the_environments_of_gpus(suite, tmp_path):
    python = make_environment(tmp_path, "gpu-mlx")
    with open(python, "w") as file:
        file.write("#!/bin/sh\necho this is the environment of GPUs >&2\nexit 1\n")
    run = suite("--device=gpu", f"--envs={tmp_path}", frameworks="mlx")
    outcome, message = run.outcomes["mlx"]
    assert outcome == "failure" and "this is the environment of GPUs" in message


@pytest.mark.parametrize(("device", "environment"), [("gpu", "gpu-mlx"), ("cpu", "mlx")])
def test_a_missing_framework_names_the_environment_for_the_device(suite, tmp_path, device, environment):
    (tmp_path / "bare" / "mlx").mkdir(parents=True)
    (tmp_path / "bare" / "mlx" / "__init__.py").write_text("")  # hides MLX, if this interpreter has it
    bare = {"PYTHONPATH": str(tmp_path / "bare")}
    run = suite(f"--device={device}", f"--envs={tmp_path}", frameworks="mlx", environment=bare)
    outcome, message = run.outcomes["mlx"]
    assert outcome == "skipped"
    assert f"`tox run --notest -e {environment}` installs it" in message


def test_modules_are_looked_for_without_being_imported(tmp_path, monkeypatch):
    package = tmp_path / "explosive"
    (package / "part").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "module.py").write_text("")
    (package / "part" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert missing(["explosive", "explosive.module", "explosive.part"]) == []
    assert missing(["explosive.gone", "gone", "gone.too"]) == ["explosive.gone", "gone", "gone.too"]


def test_a_session_joins_a_worker_of_another_environment(suite, tmp_path):
    python = make_environment(tmp_path)
    run = suite(f"--python=honest={python}", frameworks="honest,resident")
    assert run.rows["honest"]["environment"] == "honest"
    assert run.rows["resident"]["environment"] is None


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("--python=mxnet", "--python=mxnet: give NAME=PATH"),
        ("--python=mxnet=/no/such/python", "there is no file /no/such/python"),
        ("--threads=0", "--threads=0: give 1 to"),
        ("--threads=9999", "--threads=9999: give 1 to"),
        ("--epoch-budget=0", "--epoch-budget=0.0: give 0.001 or more"),
        ("--steps=0", "--steps=0: give 1 or more"),
    ],
)
def test_bad_options_are_refused_in_one_line(suite, argument, reason):
    run = suite(argument)
    assert run.exit_code == 4
    assert reason in run.output


def test_a_bare_interpreter_costs_its_own_row(suite, tmp_path):
    bare = tmp_path / "bare"
    bare.write_text("#!/bin/sh\necho nothing is installed here >&2\nexit 1\n")
    bare.chmod(0o755)
    run = suite(f"--python=honest={bare}", frameworks="honest,resident")
    outcome, message = run.outcomes["honest"]
    assert outcome == "failure" and "nothing is installed here" in message
    assert run.outcomes["resident"] == ("passed", "")


def test_missing_modules_and_hardware_are_skipped_with_the_reason(suite):
    run = suite("--device=gpu", frameworks="wants-a-module,wants-a-quantum-computer,cpu-only")
    for name, reason in {
        "wants-a-module": "no_such_module not installed in",
        "wants-a-quantum-computer": "it needs a quantum computer",
        "cpu-only": "CPU only, because nobody built it for a GPU",
    }.items():
        outcome, message = run.outcomes[name]
        assert outcome == "skipped" and reason in message, (name, outcome, message)
    assert run.exit_code == 0


@pytest.mark.slow
def test_threads_are_applied_and_read_back(suite):
    run = suite("--threads=1", "--device=cpu", frameworks="torch")
    (benchmark,) = run.json["benchmarks"]
    assert benchmark["extra_info"]["threads"] == {"asked": 1, "cores": 1, "framework": 1}


def test_an_epoch_budget_trains_a_part_and_says_so(suite):
    run = suite("--epoch-budget=0.5", "--epochs=2", frameworks="slow,test,honest")
    slow, honest = run.rows["slow"], run.rows["honest"]
    assert slow["steps_per_epoch"] in (4, 8)  # of 0.05 s each, and what the machine adds
    assert slow["workload"]["steps"] == slow["steps_per_epoch"]
    assert not slow["whole_epochs"] and slow["epoch_seconds"] is None
    assert slow["steps_per_second"] < 20
    assert honest["whole_epochs"] and honest["epoch_seconds"] > 0
    names = {row["extra_info"]["duet"]["subject"]: row["name"] for row in run.json["benchmarks"]}
    assert f"steps={slow['steps_per_epoch']}]" in names["slow"], "never compared with whole epochs"
    assert "steps" not in names["honest"]
    assert names["test"].startswith("test_training_epoch[test-"), "only what stands between the brackets is renamed"
    assert f"epochs of {slow['steps_per_epoch']} steps" in run.output
