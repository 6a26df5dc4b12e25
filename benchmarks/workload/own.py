"""A workload of one's own: what ``--workload`` names, a network that is built in or a TOML file."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import tomllib

from benchmarks.workload.data import is_own
from benchmarks.workload.networks import NETWORKS
from benchmarks.workload.spec import PUBLIC, Workload
from pytest_duet.errors import DuetError

KEYS = {field.name: field for field in fields(Workload) if field.name not in ("draw", "precision")}


def workload_of(asked, given, draw):
    """Return the :class:`Workload` that is asked for, and the file of one's own data, an absolute path; None without.

    :param asked: as :func:`read_workload` takes it.
    :param given: parameters by name, which count more than what was asked for; None where they are left open.
    """
    found = read_workload(asked)
    found.update((name, value) for name, value in given.items() if value is not None)
    asked_data = found.setdefault("dataset", PUBLIC[0])
    if not is_own(asked_data):
        if asked_data not in PUBLIC:
            raise DuetError(f"dataset = {asked_data}: give one of {', '.join(PUBLIC)}, or an .npz file.")
        return Workload.usual(**found, draw=draw), None
    path = Path(asked_data)
    if not path.is_file():
        raise DuetError(f"dataset = {asked_data}: there is no such file.")
    if path.stem in PUBLIC:
        raise DuetError(f"dataset = {asked_data}: give the file another name; {path.stem} is a public data set's.")
    return Workload.usual(**{**found, "dataset": path.stem}, draw=draw), str(path.absolute())


def read_workload(asked):
    """Return what ``--workload`` asks for: parameters of :class:`Workload` by name.

    ``dataset`` may be a path, and is then relative to the file that names it.

    :param asked: the name of a network, or the path of a TOML file whose keys are the parameters; None for neither.
    :raises DuetError: for what is neither, and for keys and values that no workload has.
    """
    if asked is None:
        return {}
    if asked in NETWORKS:
        return {"network": asked}
    path = Path(asked)
    try:
        found = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise DuetError(f"--workload={asked}: neither one of {', '.join(NETWORKS)}, nor a file.") from None
    except (OSError, ValueError) as error:
        raise DuetError(f"--workload={asked}: cannot be read as TOML ({error}).") from None
    for name, value in found.items():
        if name not in KEYS:
            raise DuetError(f"--workload={asked}: {name!r} is none of {', '.join(KEYS)}.")
        if not _is_like(value, KEYS[name].default):
            raise DuetError(f"--workload={asked}: {name} = {value!r} is not of its kind, such as {_example(name)}.")
    if is_own(found.get("dataset", "")):
        found["dataset"] = str(path.parent / found["dataset"])
    return found


def _is_like(value, default):
    if isinstance(default, tuple):
        return isinstance(value, list) and all(type(each) is int for each in value)
    if isinstance(default, float):
        return type(value) in (int, float)
    return type(value) is (int if default is None else type(default))


def _example(name):
    default = KEYS[name].default
    return repr(list(default) if isinstance(default, tuple) else 40 if default is None else default)
