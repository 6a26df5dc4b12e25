"""Other machines over ssh: can they be reached, do they stay, and have they the suite's code?"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_duet.errors import DuetError
from pytest_duet.plugin import compat

MODULES = ("filelock", "numpy", "pytest_benchmark", "rich", "scipy", "xdist")  # what the plugin needs there

# Unless told otherwise, ssh waits for minutes for a machine that is off, and for hours for one that has lost its power.
PATIENCE_SECONDS = {("connecttimeout", "none"): 20, ("serveraliveinterval", "0"): 15}
ANSWER_SECONDS = 60


def prepare(spec: Any, modules: Iterable[str] = ()) -> str:
    """Make ssh notice when the machine goes, and return why it cannot be reached; ``""`` if it can.

    :param spec: execnet's :class:`XSpec` of the machine; its ssh arguments are changed.
    :param modules: what the suite needs there, beside :data:`MODULES`.
    """
    if not spec.ssh:
        return ""
    *given, host = spec.ssh.split()
    ssh = ["ssh", *(["-F", str(spec.ssh_config)] if spec.ssh_config else [])]
    try:
        settings = [line.partition(" ")[::2] for line in _run([*ssh, *given, "-G", host]).stdout.splitlines()]
        given += [f"-o{setting[0]}={PATIENCE_SECONDS[setting]}" for setting in settings if setting in PATIENCE_SECONDS]
        spec.ssh = " ".join([*given, host])
        command = f"{spec.python or 'python'} -c 'import {', '.join(sorted({*MODULES, *modules}))}'"
        done = _run([*ssh, *given, "-oBatchMode=yes", host, command])
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"ssh {host} failed ({error})"
    if done.returncode == 0:
        return ""
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return f"ssh {host} said: {said}. Its Python is named by --tx ssh={host}//python=PATH"


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_SECONDS, stdin=subprocess.DEVNULL)


def send_suite_along(config: pytest.Config, file_options: Sequence[str]) -> None:
    """Have xdist copy this repository to the other machines, and make the paths on the command line fit for that.

    :raises DuetError: where a path that the workers need is not in the repository.
    """
    if all(spec.popen for spec in compat.worker_specs(config)):
        return
    given = config.invocation_params
    words = fit(list(map(str, given.args)), config.args, given.dir, config.rootpath, file_options)
    compat.send_along(config, words, leave_out="results")


def fit(
    words: Iterable[str], tests: Sequence[str], directory: Path, root: Path, file_options: Sequence[str] = ()
) -> list[str]:
    """Return the words of a command line as the workers of other machines need them.

    xdist takes every word that names something here for a path of the copied repository, and wants it absolute. So an
    option is joined with its value, what names tests becomes absolute, and a file of the repository is named by its
    place there.

    :param tests: those words that name tests.
    :raises DuetError: where such a file, or tests, are not in the repository.
    """
    fitted: list[str] = []
    for word in words:
        path, colons, test = word.partition("::")
        option = fitted[-1] if fitted and fitted[-1].startswith("-") and "=" not in fitted[-1] else ""
        if word in tests:
            fitted.append(f"{_inside(directory / path, root)}{colons}{test}")
        elif option and not path.startswith("-") and (directory / path).exists():
            fitted[-1] += f"={word}" if option.startswith("--") else word
        else:
            fitted.append(word)
    return [_fit_file(word, directory, root) if word.partition("=")[0] in file_options else word for word in fitted]


def _fit_file(word: str, directory: Path, root: Path) -> str:
    option, _, path = word.partition("=")
    return f"{option}={_inside(directory / path, root).relative_to(root.resolve()).as_posix()}"


def _inside(path: Path, root: Path) -> Path:
    path = path.resolve()
    if not path.is_relative_to(root.resolve()):
        raise DuetError(f"--dist=each: {path} is not in {root}, and only that goes along to the other machines.")
    return path
