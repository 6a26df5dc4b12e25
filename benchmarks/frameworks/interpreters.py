"""Which interpreter a framework's workers run under: this one, a named one, or that of an environment of its own.

Frameworks that cannot be installed together each have an environment, made by tox; here they meet in one session. On a
GPU machine that may be any: their builds stand on different versions of CUDA. The session asks; no worker runs this.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.frameworks.gpu_builds import built_for_cpus
from benchmarks.frameworks.loading import missing
from pytest_duet.errors import DuetError
from pytest_duet.trials.other_side import interpreter_of


def named_python(text, here=True):
    """Return the name and the interpreter in a value of ``--python``.

    :param here: whether it is to be on this machine.
    :raises DuetError: where it is not NAME=PATH, or there is no such file.
    """
    name, _, path = text.partition("=")
    if not path:
        raise DuetError(f"--python={text}: give NAME=PATH, for example --python caffe2=envs/caffe2/bin/python.")
    if here and not Path(path).is_file():
        raise DuetError(f"--python={text}: there is no file {path}.")
    return name, str(Path(path).absolute())


def find_interpreter(entry, named, directory, on_gpu=False):
    """Return the interpreter to run an entry's workers with, and the name of its environment; both None for this one.

    The first that there is:

    1. one named for the entry or one of its environments;
    2. this one, if it has all that the entry requires, and, on a GPU, none of it built for CPUs alone;
    3. the entry's environment; on a GPU those with its build for GPUs instead, where there is such a build;
    4. this one. If it lacks the framework, its worker says so; if it has one built for CPUs, that is what is trained
       with: by its files alone nobody can be sure, and where a GPU is insisted on (``--device=gpu``) the worker fails.

    :param entry: :class:`benchmarks.frameworks.Entry`.
    :param named: paths by name, from ``--python``.
    :param directory: what holds the environments, from ``--envs``; None for none.
    :param on_gpu: whether the session trains on a GPU.
    """
    environments = entry.environments(on_gpu)
    for name in (entry.name, *environments, entry.environment):
        if name in named:
            return named[name], name
    if directory and environments and not _can_train_here(entry, on_gpu):
        for name in environments:
            python = interpreter_of(Path(directory).absolute() / name)  # workers start elsewhere
            if python.exists():
                return str(python), name
    return None, None


def _can_train_here(entry, on_gpu):
    if missing(entry.requires):
        return False
    return not (on_gpu and entry.gpu_environments and built_for_cpus(entry.requires))
