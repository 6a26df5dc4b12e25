"""The pins: what they promise without a network, and, with one (``-m network``), that every set still resolves."""

import re

import pytest

from benchmarks.frameworks import REGISTRY
from tests import pins
from tests.pins import ROOT, Broken, PinSet, environments, pin_sets, resolve, same_files

PINNED = re.compile(r"[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==[0-9][A-Za-z0-9.]*(;.+)?")
ALIASES = {"haiku": "dm-haiku", "jaxlib": "jax"}  # what one installs to have a module, where it is called otherwise
GPU_ENVIRONMENTS = sorted({name for entry in REGISTRY.values() for name in entry.gpu_environments})


def pinned(environment):
    """Return the packages that an environment pins."""
    requirements, _ = environments()[environment]
    return {re.split(r"\[|==", line)[0] for line in requirements}


def test_pre_commit_checks_with_the_versions_of_tox():
    files = (ROOT / ".pre-commit-config.yaml", ROOT / "tox.ini")
    used, known = (set(re.findall(r"[\w.-]+==[\w.]+", path.read_text())) for path in files)
    assert used and used <= known


@pytest.mark.network
@pytest.mark.parametrize("pin_set", pin_sets(), ids=str)
def test_a_set_of_pins_resolves(pin_set):
    resolved = resolve(pin_set)
    for name in pinned(pin_set.environment) & set(resolved):
        versions = [line.split("==")[1] for line in pin_set.requirements if re.split(r"\[|==", line)[0] == name]
        assert resolved[name] in [version.partition(";")[0].strip() for version in versions]


@pytest.mark.network
@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        (["tensorflow[and-cuda]==2.21.0", "torch==2.10.0"], "nvidia-nccl-cu12.*are incompatible"),
        (["tensorflow[and-cuda]==2.21.0", "torch==2.15.0"], "same files.*nvidia-cudnn-cu12 and nvidia-cudnn-cu13"),
        (["mlx[cuda13]==0.32.4"], "no wheels with a matching platform tag"),
        (["numpy==2.4.6", "numpy==2.5.5"], "requirements are unsatisfiable"),
        (["numpy==1.999"], "no version of numpy==1.999"),
    ],
)
def test_a_broken_set_is_told_with_the_reason(requirements, reason):
    with pytest.raises(Broken, match=reason):
        resolve(PinSet("offender", tuple(requirements)))


def test_packages_that_own_the_same_files_are_found():
    assert same_files({"nvidia-cudnn-cu12": "9.28", "nvidia-cudnn-cu13": "9.26", "nvidia-nccl-cu12": "2.27"}) == [
        "nvidia-cudnn-cu12 and nvidia-cudnn-cu13"
    ]
    assert same_files(["onnxruntime", "onnxruntime-training-cpu"]) == ["onnxruntime and onnxruntime-training-cpu"]
    assert same_files(["nvidia-cublas", "nvidia-cublas-cu12", "nvidia-cudnn-cu13", "torch", "tensorflow"]) == []


@pytest.mark.parametrize("name", environments())
def test_all_is_pinned(name):
    requirements, pythons = environments()[name]
    assert requirements and pythons
    assert [line for line in requirements if not PINNED.fullmatch(line)] == []


@pytest.mark.parametrize(
    "line", ["torch", "torch>=2.1", "torch==2.*", "torch~=2.1", "jax[cuda13]", "torch @ file:///torch"]
)
def test_a_line_that_is_no_pin_is_noticed(line):
    assert not PINNED.fullmatch(line)


def test_every_requirements_file_belongs_to_an_environment():
    """Else nothing would resolve it again."""
    installed = [set(requirements) for requirements, _ in environments().values()]
    for file in ROOT.glob("requirements*.txt"):
        lines = set(pins.flatten([f"-r {file.name}"]))
        assert lines and any(lines <= requirements for requirements in installed), file.name


def test_every_environment_that_runs_pytest_has_the_suite_s_own_pins():
    own = set(pins.flatten(["-r requirements-suite.txt"]))
    sessions = [name for name in environments() if "pytest" in pinned(name)]
    assert set(sessions) == {"all", "coverage", "cpu", "gpu", "gpu-each", "lint", "peers", "tests"}
    for name in sessions:
        assert own <= set(environments()[name][0]), name


def test_a_line_for_another_factor_is_left_out():
    assert "hypothesis" in pinned("tests") and "torch" in pinned("tests")
    assert "hypothesis" not in pinned("cpu") and "torch" in pinned("cpu")


def test_exceptions_are_needed():
    assert set(pins.NEED_NEWER_LINUX) <= set(environments())
    assert set(pins.SOURCE_ONLY) <= {package for name in environments() for package in pinned(name)}


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=REGISTRY)
def test_an_entry_s_environments_can_be_made(entry):
    known = environments()
    assert {entry.environment, *entry.gpu_environments} <= set(known)
    for name in entry.gpu_environments:
        needed = {module.partition(".")[0] for module in entry.requires}
        assert {ALIASES.get(module, module) for module in needed} <= pinned(name), name


def test_the_environments_of_gpus_are_for_python_3_12():
    assert GPU_ENVIRONMENTS == ["gpu", "gpu-jax", "gpu-mlx", "gpu-tensorflow", "gpu-tinygrad", "gpu-torch"]
    assert {environments()[name][1] for name in GPU_ENVIRONMENTS} == {("3.12",)}


def test_gpu_each_makes_every_environment_of_a_single_framework():
    section = (ROOT / "tox.ini").read_text().split("[testenv:gpu-each]")[1].split("\n[")[0]
    made = re.search(r"tox run .* -e (\S+)", section)[1].split(",")
    assert sorted(made) == [name for name in GPU_ENVIRONMENTS if name != "gpu"]


def test_the_command_tells_each_set_and_fails_for_a_broken_one(monkeypatch, capsys):
    def pretend(pin_set):
        if pin_set.environment == "gpu-torch":
            raise Broken("torch and numpy are incompatible")
        return {"numpy": "1"}

    monkeypatch.setattr(pins, "resolve", pretend)
    assert pins.main(["gpu-jax"]) == 0
    assert capsys.readouterr().out == "gpu-jax-3.12-x86_64-manylinux_2_28: resolves, 1 in all\n"
    assert pins.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(pin_sets())
    assert [line for line in lines if "BROKEN" in line] == [
        "gpu-torch-3.12-x86_64-manylinux_2_28: BROKEN: torch and numpy are incompatible"
    ]
    with pytest.raises(SystemExit, match="tox.ini has no environment gpu-caffe"):
        pins.main(["gpu-caffe"])
