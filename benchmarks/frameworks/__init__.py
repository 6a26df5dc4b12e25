"""Who trains: one file for each way to train, and the registry that names them. Importing this imports no framework.

CONTRIBUTING.md says how one is added: a file here, a line in ``REGISTRY``, a pin.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.workload.networks import BITS
from pytest_duet.errors import DuetError


@dataclass(frozen=True)
class Entry:
    """Where a trainer is found, told without importing it.

    :param name: the benchmark's parameter id.
    :param location: ``"module:Class"``, or ``"path/to/file.py:Class"``.
    :param requires: the modules it stands on, the framework itself first; where one is missing, the entry is skipped.
    :param environment: the tox environment that has the modules.
    :param variables: pairs of environment variable and value, set before the framework is imported.
    :param gpu_environments: the tox environments that have them built for a GPU, the one to prefer first; empty where
        there is no such build.
    :param programs: what it calls on the machine where it trains on a CPU, such as a compiler; where one is missing,
        the entry is skipped.
    :param keeps_programs: whether what it compiles can be kept from one process to the next.
    :param general: where its trainer of any other workload is found, by name likewise; None where it has none.
    :param precision: of its matrix products.
    """

    name: str
    location: str
    requires: tuple = ()
    environment: str | None = None
    variables: tuple = ()
    gpu_environments: tuple = ()
    programs: tuple = ()
    keeps_programs: bool = False
    general: str | None = None
    precision: str = "fp32"

    def in_precision(self, precision):
        """Return the entry whose products are computed in another precision, by a name of its own."""
        if precision == self.precision:
            return self
        return replace(self, name=f"{self.name}-{precision}", precision=precision)

    def for_workload(self, workload):
        """Return the entry with the trainer that trains this workload; one's own are taken to train any."""
        everybodys = replace(workload, precision=self.precision).is_everybodys()
        if everybodys or not self.location.startswith("benchmarks."):
            return self
        return replace(self, location=self.general or "benchmarks.frameworks.trainer:NotThisWorkload")

    def environments(self, on_gpu):
        """Return the names of the tox environments that it may train in, on a GPU or on a CPU, the preferred first."""
        if on_gpu and self.gpu_environments:
            return self.gpu_environments
        return (self.environment,) if self.environment else ()

    def missing_programs(self):
        """Return those of its programs that this machine does not have, nor another in the variable that names one."""
        return [name for name in self.programs if not (os.environ.get(NAMED_BY[name]) or shutil.which(name))]


@dataclass(frozen=True)
class Attached(Entry):
    """What is no trainer and belongs to some, such as a file that a framework exports: measured where one of them is.

    :param of: the names of their entries.
    """

    of: tuple = ()


def attached_to(entries, known):
    """Return the names of those known ones that belong to some of these entries."""
    return [name for name, each in known.items() if any(entry in entries for entry in each.of)]


NAMED_BY = {"clang": "CC", "g++": "CXX"}  # the environment variables by which a program's users name their own

# An entry's environments on a GPU machine, by its environment elsewhere and the module that computes: first one for a
# single framework, with the newest CUDA that it knows, then the one for all that can share.
_GPU_ENVIRONMENTS = {
    ("cpu", "jax"): ("gpu-jax", "gpu"),
    ("cpu", "torch"): ("gpu-torch", "gpu"),
    ("cpu", "tensorflow"): ("gpu-tensorflow", "gpu"),
    ("cpu", "tinygrad"): ("gpu-tinygrad", "gpu"),
    ("mlx", "mlx.core"): ("gpu-mlx",),
}


def _entry(name, place, *requires, environment="cpu", programs=(), keeps=False, general=None, **variables):
    gpu = filter(None, (_GPU_ENVIRONMENTS.get((environment, module)) for module in requires))
    pairs = tuple(variables.items())
    keeps = keeps or "jax" in requires
    place, general = (each and f"benchmarks.frameworks.{each}" for each in (place, general))
    return Entry(name, place, requires, environment, pairs, next(gpu, ()), programs, keeps, general)


_KERAS_ON_TENSORFLOW = {"KERAS_BACKEND": "tensorflow"}
_ONNXRUNTIME = ("onnxruntime", "onnxruntime.training", "onnx", "torch")

REGISTRY = {
    entry.name: entry
    for entry in (
        # As its own users write it, fed by the host.
        _entry("jax", "jax:JaxTrainer", "jax", "jaxlib", general="jax_general:JaxGeneralTrainer"),
        _entry("torch", "torch:TorchTrainer", "torch", general="torch_general:TorchGeneralTrainer"),
        _entry(
            "keras",
            "keras_tensorflow:KerasTensorFlowTrainer",
            "keras",
            "tensorflow",
            general="keras_general:KerasGeneralTrainer",
            **_KERAS_ON_TENSORFLOW,
        ),
        _entry("tensorflow", "tensorflow:TensorFlowTrainer", "tensorflow"),
        _entry("flax", "flax:FlaxTrainer", "flax", "optax", "jax"),
        _entry("haiku", "haiku:HaikuTrainer", "haiku", "optax", "jax"),
        _entry("equinox", "equinox:EquinoxTrainer", "equinox", "optax", "jax"),
        _entry("lightning", "lightning:LightningTrainer", "lightning", "torch", "greenlet"),
        _entry("keras-jax", "keras_jax:KerasJaxTrainer", "keras", "jax", KERAS_BACKEND="jax"),
        _entry("keras-torch", "keras_torch:KerasTorchTrainer", "keras", "torch", KERAS_BACKEND="torch"),
        _entry("paddle", "paddle:PaddleTrainer", "paddle", environment="paddle"),
        _entry("mxnet", "mxnet:MxnetTrainer", "mxnet", environment="mxnet"),
        _entry("caffe2", "caffe2:Caffe2Trainer", "caffe2.python", "torch", environment="caffe2"),
        _entry("onnxruntime", "onnxruntime:OnnxRuntimeTrainer", *_ONNXRUNTIME, environment="onnxruntime"),
        _entry("mindspore", "mindspore:MindsporeTrainer", "mindspore", environment="mindspore"),
        _entry("tinygrad", "tinygrad:TinygradTrainer", "tinygrad", programs=("clang",), keeps=True),
        _entry("mlx", "mlx:MlxTrainer", "mlx.core", environment="mlx"),
        _entry("numpy", "numpy:NumpyTrainer", "numpy", "threadpoolctl"),
        # Compiled.
        _entry("jax-aot", "jax_aot:JaxAotTrainer", "jax", "jaxlib"),
        _entry(
            "torch-compile",
            "torch_compile:TorchCompileTrainer",
            "torch",
            programs=("g++",),
            keeps=True,
            general="torch_compile_general:TorchCompileGeneralTrainer",
        ),
        _entry(
            "torch-compile-graphs",
            "torch_compile:TorchCompileGraphsTrainer",
            "torch",
            programs=("g++",),
            keeps=True,
            general="torch_compile_general:TorchCompileGraphsGeneralTrainer",
        ),
        _entry("torch-script", "torch_script:TorchScriptTrainer", "torch"),
        _entry("keras-xla", "keras_tensorflow:KerasXlaTrainer", "keras", "tensorflow", **_KERAS_ON_TENSORFLOW),
        _entry("tensorflow-xla", "tensorflow:TensorFlowXlaTrainer", "tensorflow"),
        _entry("paddle-static", "paddle_static:PaddleStaticTrainer", "paddle", environment="paddle"),
        _entry("mxnet-hybrid", "mxnet:MxnetHybridTrainer", "mxnet", environment="mxnet"),
        _entry("mindspore-graph", "mindspore:MindsporeGraphTrainer", "mindspore", environment="mindspore"),
        # A whole epoch in one call.
        _entry(
            "jax-scan", "jax_scan:JaxScanTrainer", "jax", "jaxlib", general="jax_scan_general:JaxScanGeneralTrainer"
        ),
        _entry("torch-epoch", "torch_epoch:TorchEpochTrainer", "torch"),
        _entry(
            "torch-cudagraph",
            "torch_cudagraph:TorchCudaGraphTrainer",
            "torch",
            programs=("g++",),
            keeps=True,
            general="torch_cudagraph_general:TorchCudaGraphGeneralTrainer",
        ),
        _entry("tensorflow-epoch", "tensorflow_epoch:TensorFlowEpochTrainer", "tensorflow"),
        _entry("keras-steps", "keras_tensorflow:KerasStepsTrainer", "keras", "tensorflow", **_KERAS_ON_TENSORFLOW),
    )
}
DEFAULT = ("jax", "torch", "keras")
PEAK_SETTERS = ("jax", "torch")  # the machine's measured peak is that of the fastest of their matrix products


def preallocation(wanted):
    """Return the environment variables that let JAX and TensorFlow take most of a GPU at once, or keep them from it.

    JAX takes 75 % of it unless told, TensorFlow nearly all; TF_FORCE_GPU_ALLOW_GROWTH overrules what a trainer asks.
    """
    return {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "true" if wanted else "false",
        "TF_FORCE_GPU_ALLOW_GROWTH": "false" if wanted else "true",
    }


def select(patterns, registry):
    """Return the entries that the names or globs ask for, in the registry's order; ``all`` is every one.

    :raises DuetError: for a pattern that matches nothing, naming what there is.
    """
    chosen = set()
    for pattern in patterns:
        matches = list(registry) if pattern == "all" else fnmatch.filter(registry, pattern)
        if not matches:
            raise DuetError(f"--frameworks: {pattern!r} matches none of {', '.join(registry)}.")
        chosen.update(matches)
    return [entry for name, entry in registry.items() if name in chosen]


def in_precisions(entries, asked):
    """Return the entries in each of the precisions that ``--precision`` names, comma-separated.

    :raises DuetError: for one that there is not.
    """
    names = [name.strip() for name in asked.split(",")]
    for name in names:
        if name not in BITS:
            raise DuetError(f"--precision: {name!r} is none of {', '.join(BITS)}.")
    return [entry.in_precision(name) for entry in entries for name in names]


def entries_of_file(path):
    """Return the entries that a user's file offers: its ``TRAINERS``, a dictionary of names.

    Each name's value is the class, ``"MyTrainer"``, or a tuple of the class and the modules that it requires,
    ``("MyTrainer", "torch")``. The file is parsed, not run: its framework is imported by the worker alone.

    :raises DuetError: where the file is missing, is not Python, or offers nothing.
    """
    import ast

    path = Path(path).resolve()
    try:
        tree = ast.parse(path.read_text(), filename=str(path))
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise DuetError(f"--framework-path: {path} cannot be read as Python: {error}.") from error
    for node in tree.body:
        names = [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
        if names == ["TRAINERS"]:
            try:
                trainers = ast.literal_eval(node.value)
                return [_users_entry(path, name, value) for name, value in trainers.items()]
            except (ValueError, TypeError, AttributeError):
                break
    raise DuetError(
        f'--framework-path: {path} has no line like TRAINERS = {{"mine": "MyTrainer"}}, a literal dictionary from the '
        "name in the table to the name of the class."
    )


def _users_entry(path, name, value):
    class_name, *requires = (value,) if isinstance(value, str) else value
    return Entry(name, f"{path}:{class_name}", tuple(requires))
