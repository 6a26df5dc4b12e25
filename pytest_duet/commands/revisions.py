"""What a bisection searches: the commits between two, or the versions of a package that an index has between two."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pytest_duet.errors import DuetError
from pytest_duet.trials.other_side import interpreter_of

ENVIRONMENTS = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "pytest-duet" / "environments"
DONE = "made-by-pytest-duet"  # a file in an environment that is complete
PACKAGE = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*==\s*(.+?)\s*")


@dataclass(frozen=True)
class Revision:
    """One of those that are searched.

    :param name: ``"git:COMMIT"``, or ``"PACKAGE==VERSION"``.
    :param title: of the commit; ``""`` for a version.
    """

    name: str
    title: str = ""

    def side(self) -> str:
        """Return what ``--against`` and ``--new`` call it; a version gets its environment.

        :raises DuetError: where there can be none.
        """
        return self.name if self.name.startswith("git:") else str(_environment(self.name))

    def __str__(self) -> str:
        return " ".join(filter(None, [self.name, self.title]))


def revisions_between(good: str, bad: str | None = None) -> list[Revision]:
    """Return all from the good one to the bad one, these included.

    :param good: ``"git:COMMIT"`` or ``"PACKAGE==VERSION"``; with ``..`` and a second one behind it, ``bad`` is None.
    :raises DuetError: where that makes no sense, or nothing lies between.
    """
    if bad is None:
        good, dots, end = good.partition("..")
        if not dots or not end:
            raise DuetError("Give a good and a bad one: git:GOOD git:BAD, git:GOOD..BAD, or NAME==1.0..2.0.")
        bad = f"git:{end}" if good.startswith("git:") else f"{good.partition('==')[0]}=={end}"
    if good.startswith("git:") and bad.startswith("git:"):
        return _commits(good.removeprefix("git:"), bad.removeprefix("git:"))
    first, last = PACKAGE.fullmatch(good), PACKAGE.fullmatch(bad)
    if not (first and last and first[1].lower() == last[1].lower()):
        raise DuetError(
            f"{good} and {bad} are neither commits, git:COMMIT, nor versions of one package, NAME==VERSION."
        )
    return _versions(first[1], first[2], last[2])


def _commits(good: str, bad: str) -> list[Revision]:
    """Along the first parents: what a branch brought is its merge's doing."""
    first = _git("log", "-1", "--format=%h %s", good, "--")
    lines = _git("log", "--first-parent", "--reverse", "--format=%h %s", f"{good}..{bad}", "--")
    if not lines:
        raise DuetError(f"git:{good}..{bad}: no commit of {bad} comes after {good}.")
    found = [line.partition(" ") for line in (first + lines).splitlines()]
    return [Revision(f"git:{commit}", title) for commit, _, title in found]


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True)
    except OSError as error:
        raise DuetError(f"git cannot be run ({error}).") from error
    except subprocess.CalledProcessError as error:
        raise DuetError(f"`git {' '.join(arguments)}` said: {error.stderr.strip()}") from error
    return done.stdout


def _versions(package: str, good: str, bad: str) -> list[Revision]:
    from packaging.version import InvalidVersion, Version

    line = [sys.executable, "-m", "pip", "index", "versions", package]
    pre = any(re.search(r"[a-z]", version) for version in (good, bad))
    done = subprocess.run([*line, *(["--pre"] if pre else [])], capture_output=True, text=True)
    listed = re.search(r"Available versions: (.+)", done.stdout)
    if done.returncode or not listed:
        raise DuetError(f"`pip index versions {package}` said: {(done.stderr or done.stdout).strip()}")
    try:
        low, high = Version(good), Version(bad)
        found = sorted(map(Version, listed[1].split(", ")))
    except InvalidVersion as error:
        raise DuetError(f"{package}: {error}.") from None
    for version in (low, high):
        if version not in found:
            raise DuetError(f"{package}=={version}: the index has no such version for this Python.")
    if low >= high:  # from the newer to the older one: what did the older one have?
        found.reverse()
    between = found[found.index(low) : found.index(high) + 1]
    if len(between) < 2:
        raise DuetError(f"{package}: the good and the bad version are the same.")
    return [Revision(f"{package}=={version}") for version in between]


def _environment(requirement: str) -> Path:
    """Return an environment like this one, with this version of a package and whatever else that version needs."""
    uv = _uv()
    packages = _run([*uv, "pip", "freeze", "--python", sys.executable])
    digest = hashlib.sha256(f"{sys.version} {packages}".encode()).hexdigest()[:10]
    folder = ENVIRONMENTS / f"{requirement.replace('==', '-')}-{digest}"
    if (folder / DONE).exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
    into = [*uv, "pip", "install", "--quiet", "--python", str(interpreter_of(folder))]
    name = requirement.partition("==")[0].lower()
    others = [line for line in packages.splitlines() if line.partition("==")[0].strip().lower() != name]
    # Without what they need: that is all there, in the versions of here. What the version itself needs comes then.
    _run([*into, "--no-deps", "--requirement", "-"], "\n".join(others))
    _run([*into, requirement])
    (folder / DONE).touch()
    return folder


def _uv() -> list[str]:
    found = shutil.which("uv")
    if found:
        return [found]
    if subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True).returncode == 0:
        return [sys.executable, "-m", "uv"]
    raise DuetError("To search the versions of a package, uv makes an environment for each: `pip install uv`.")


def _run(line: list[str], text: str = "") -> str:
    done = subprocess.run(line, input=text, capture_output=True, text=True)
    if done.returncode:
        raise DuetError(f"`{' '.join(line)}` said: {done.stderr.strip()[-2_000:]}")
    return done.stdout
