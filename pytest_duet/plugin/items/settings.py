"""What a worker has to know of the session that its test is measured for; it crosses the worker's pipe as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_duet.plugin.items import kept_options

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class Checkout:
    """Where another revision of the project is checked out.

    :param tree: the folder of its working tree.
    :param name: as it was asked for.
    """

    tree: str
    name: str


@dataclass(frozen=True)
class Settings:
    """The settings of a session, as a session of one test alone takes them, or of a few that share a worker.

    :param paths: the files of the tests.
    :param together: whether the worker is to run several tests, one after the other, as it is asked to.
    :param folder: where the session was started.
    :param options: values by the names that argparse keeps them under.
    :param plugins: those of ``-p``, as ``overrides`` are those of ``-o`` and ``warnings`` those of ``-W``.
    :param seed: of pytest-randomly; None without it.
    :param project: the folder of the repository that the tests belong to.
    :param tests: files and folders of today's tests, which stay as they are whatever the revision.
    :param revision: what the code is to come from; None for the project as it is.
    """

    paths: list[str]
    rootdir: str
    inifile: str | None
    folder: str
    options: dict[str, Any]
    plugins: list[str]
    overrides: list[str]
    warnings: list[str]
    import_mode: str
    seed: Any
    project: str
    tests: list[str]
    revision: Checkout | None = None
    together: bool = False

    @classmethod
    def of(cls, config: pytest.Config, items: Sequence[pytest.Item], project: str, tests: list[str]) -> Settings:
        """Return those for a worker of these tests."""
        return cls(
            paths=sorted({str(item.path) for item in items}),
            together=len(items) > 1,
            rootdir=str(config.rootpath),
            inifile=str(config.inipath) if config.inipath else None,
            folder=str(config.invocation_params.dir),
            options={name: value for name, value in vars(config.option).items() if _travels(name, value)},
            plugins=list(config.getoption("plugins")),
            overrides=list(config.getoption("override_ini") or ()),
            warnings=list(config.getoption("pythonwarnings") or ()),
            import_mode=config.getoption("importmode"),
            seed=getattr(config.option, "randomly_seed", None),
            project=project,
            tests=tests,
        )

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Settings:
        revision = plain["revision"]
        return cls(**{**plain, "revision": Checkout(**revision) if revision else None})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def _travels(name: str, value: Any) -> bool:
    if kept_options.stays(name):
        return False
    plain = (str, int, float, bool, type(None))
    several = isinstance(value, (list, tuple)) and all(isinstance(each, plain) for each in value)
    return isinstance(value, plain) or several


def code_of(settings: Settings) -> dict[str, str]:
    """Return the files that modules of the project were imported from in this process, by the modules' names.

    Those of its tests, and those that are installed in a folder of it, are left out.
    """
    roots = [settings.project, *([settings.revision.tree] if settings.revision else [])]
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name.rpartition(".")[2] in ("__main__", "conftest"):
            continue
        path = os.path.realpath(file)
        if is_in(path, roots) and not is_in(path, settings.tests) and "site-packages" not in Path(path).parts:
            found[name] = path
    return found


def is_in(path: str, places: Iterable[str]) -> bool:
    """Tell whether a file is one of these, or in one of these folders."""
    return any(path == place or path.startswith(os.path.join(place, "")) for place in places)
