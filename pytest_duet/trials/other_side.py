"""A side of a comparison: another interpreter, or the same code at another revision."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pytest_duet.errors import DuetError
from pytest_duet.trials.runner import Runner
from pytest_duet.workers import protocol
from pytest_duet.workers.process import ROOT

R = TypeVar("R", bound=Runner)


@dataclass(frozen=True)
class Other:
    """What a side's workers run: an interpreter, or a folder with the code, or neither (this very one).

    :param name: as it was asked for.
    """

    name: str
    python: str | None = None
    root: str | None = None

    def runner(self, runner: R) -> R:
        """Return the runner that does on this side what the given one does."""
        if self.python:
            return replace(runner, python=self.python, environment=self.name)
        return runner.at_root(self.root, self.name) if self.root else runner


@contextmanager
def open_other(text: str | None, repository: str | None = None, option: str = "--against") -> Iterator[Other]:
    """Give the side that ``--against`` or ``--new`` names; a revision's working tree is gone afterwards.

    :param text: a virtual environment, an interpreter, ``"git:"`` and a revision, or ``"self"``; None is that, too.
    :param repository: the folder of the project that it is a revision of; None for this very repository, whose revision
        brings its own workers.
    :param option: for messages.
    :raises DuetError: where there is no such thing.
    """
    if text is None or text == "self":
        yield Other("self")
    elif text.startswith("git:"):
        with tempfile.TemporaryDirectory(prefix="benchmark-against-", ignore_cleanup_errors=True) as directory:
            tree = Path(directory).resolve() / "tree"
            folder = repository or str(ROOT)
            _git(option, folder, "worktree", "add", "--detach", str(tree), text.removeprefix("git:"))
            try:
                if repository is None:
                    _check_age(f"{option}={text}", tree)
                yield Other(text, root=str(tree))
            finally:
                _git(option, folder, "worktree", "remove", "--force", str(tree))
    else:
        yield Other(text, python=str(_interpreter(Path(text).expanduser().absolute(), f"{option}={text}")))


def interpreter_of(environment: Path) -> Path:
    """Return the path at which a virtual environment keeps its interpreter."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _interpreter(path: Path, asked: str) -> Path:
    python = interpreter_of(path) if path.is_dir() else path
    if not python.is_file():
        raise DuetError(
            f"{asked}: there is no interpreter {python}. Give a virtual environment, an interpreter, "
            "git:REVISION or self."
        )
    if python.parent.resolve() == Path(sys.executable).parent.resolve():  # an environment's python is a link out of it
        raise DuetError(
            f"{asked}: this session itself runs in that environment, so both sides would have the same code. "
            "--against=self does that on purpose."
        )
    return python


def _check_age(asked: str, tree: Path) -> None:
    """Refuse a revision whose workers speak no protocol at all: they would die of the first words."""
    needed = Path(protocol.__file__).relative_to(ROOT)
    if not (tree / needed).is_file():
        raise DuetError(
            f"{asked}: that revision is too old to take turns with this one, for it has no {needed}. Choose "
            "a later one."
        )


def _git(option: str, folder: str, *arguments: str) -> None:
    try:
        subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True)
    except OSError as error:
        raise DuetError(f"{option}=git: git cannot be run ({error}).") from error
    except subprocess.CalledProcessError as error:
        if "not a git repository" in error.stderr:
            raise DuetError(f"{option}=git: {folder} is in no git repository, so it has no revisions.") from error
        raise DuetError(f"{option}=git: `git {' '.join(arguments)}` said: {error.stderr.strip()}") from error
