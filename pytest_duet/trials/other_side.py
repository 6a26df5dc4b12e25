"""The other side of a comparison: another interpreter, or this suite's own code at another revision."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.frameworks.interpreters import interpreter_of
from pytest_duet.errors import DuetError
from pytest_duet.workers.process import ROOT


@dataclass(frozen=True)
class Other:
    """What the old side's workers run: an interpreter, or a folder with the suite's code, or neither (this very one).

    :param name: as it was asked for.
    """

    name: str
    python: str | None = None
    root: str | None = None

    def runner(self, runner):
        """Return the :class:`pytest_duet.trials.runner.Runner` that does on this side what the given one does."""
        if self.python:
            return replace(runner, python=self.python, environment=self.name)
        if self.root:
            return replace(runner, root=self.root, entry=self._entry(runner.entry))
        return runner

    def _entry(self, entry):
        """Return the entry with a trainer's file inside the repository taken from this side's copy of it."""
        place, _, class_name = entry.location.rpartition(":")
        if place.endswith(".py") and not Path(place).is_relative_to(ROOT):
            raise DuetError(
                f"--against={self.name}: {place} is not part of the suite's repository, so both sides would train with "
                "the same file. Keep it in a fork of the suite, or take turns with another environment."
            )
        if Path(place).is_relative_to(ROOT):
            place = Path(self.root) / Path(place).relative_to(ROOT)
        return replace(entry, location=f"{place}:{class_name}")


@contextmanager
def open_other(text):
    """Give the :class:`Other` that ``--against`` names; a revision's working tree is gone afterwards.

    :param text: a virtual environment, an interpreter, ``"git:"`` and a revision, or ``"self"``.
    :raises DuetError: where there is no such thing.
    """
    if text == "self":
        yield Other(text)
    elif text.startswith("git:"):
        with tempfile.TemporaryDirectory(prefix="benchmark-against-", ignore_cleanup_errors=True) as directory:
            tree = Path(directory) / "suite"
            _git("worktree", "add", "--detach", str(tree), text.removeprefix("git:"))
            try:
                yield Other(text, root=str(tree))
            finally:
                _git("worktree", "remove", "--force", str(tree))
    else:
        yield Other(text, python=str(_interpreter(Path(text).expanduser().absolute(), text)))


def _interpreter(path, text):
    python = interpreter_of(path) if path.is_dir() else path
    if not python.is_file():
        raise DuetError(
            f"--against={text}: there is no interpreter {python}. Give a virtual environment, an interpreter, "
            "git:REVISION or self."
        )
    return python


def _git(*arguments):
    try:
        subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True)
    except OSError as error:
        raise DuetError(f"--against=git: git cannot be run ({error}).") from error
    except subprocess.CalledProcessError as error:
        raise DuetError(f"--against=git: `git {' '.join(arguments)}` said: {error.stderr.strip()}") from error
