"""How runs are saved, by sessions that end at the same moment, or in the middle of saving.

pytest-benchmark's own storage counts files and then writes: two sessions take the same number, a killed one leaves half
a file, and after run 9999 its pattern for numbers no longer matches.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pytest_duet.atomic import atomic_write
from pytest_duet.errors import DuetError

KIB = 1024
LOCK_SECONDS = 60
NUMBERED = re.compile(r"(\d{4,})_.*\.json")


def save_run(folder: Path, data: bytes, name: str) -> Path:
    """Write a run under the folder's next number, and return its path."""
    with lock(folder):
        return _write(folder, data, name)


def save_once(
    folder: Path, data: bytes, name: str, already_held: Callable[[Path], bool] = lambda path: False
) -> tuple[Path, bool]:
    """Write a run's bytes under the next number unless they are there; return the path and whether it is new.

    :param already_held: does this file already hold the run? Asked while nobody else can save.
    """
    with lock(folder):
        for path in sorted(folder.glob("*.json")):
            same = path.stat().st_size == len(data) and path.read_bytes() == data
            if number(path) and (same or already_held(path)):
                return path, False
        return _write(folder, data, name), True


def _write(folder: Path, data: bytes, name: str) -> Path:
    last = max(map(number, folder.glob("*.json")), default=0)
    path = folder / f"{last + 1:04}_{name}.json"
    atomic_write(path, data)
    return path


def rescue(data: bytes, name: str, wanted: Path, error: OSError) -> str:
    """Keep a run that could not be written where it was to be, and say so; minutes of measuring are in it.

    :returns: what happened, where it is, and what to do.
    """
    reason = error.strerror or str(error)
    with suppress(OSError):
        free = shutil.disk_usage(next(each for each in (wanted, *wanted.parents) if each.is_dir())).free
        reason += f", {free / KIB:,.0f} KiB free where {len(data) / KIB:,.0f} are needed"
    text = f"{wanted}: the run could not be saved there ({reason})."
    for folder in (tempfile.gettempdir(), os.getcwd(), os.path.expanduser("~")):
        path = Path(folder) / f"rescued-{os.getpid()}-{name}.json"
        with suppress(OSError):
            atomic_write(path, data)
            return f"{text} It is kept in {path}: move it there once that is mended."
    return f"{text} Nor could it be kept anywhere else, so it is lost."


def as_bytes(run: Any) -> bytes:
    """Return a run as pytest-benchmark writes it; what JSON does not know is written as its ``repr``."""
    return json.dumps(run, default=repr, ensure_ascii=True, indent=4).encode()


def platform_folder(machine: Mapping[str, Any]) -> str:
    """Return the name of pytest-benchmark's folder for a machine, which is given as its ``machine_info``."""
    python = ".".join(str(machine.get("python_version")).split(".")[:2])
    bits = 64 if "64" in str(machine.get("machine")) else 32
    return f"{machine.get('system')}-{machine.get('python_implementation')}-{python}-{bits}bit"


def number(path: Path) -> int:
    """Return a saved run's number; 0 for a file that has none."""
    found = NUMBERED.fullmatch(path.name)
    return int(found[1]) if found else 0


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a storage folder, which is made if need be, for oneself while something is written there.

    :raises DuetError: where somebody else holds it for a minute.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    try:
        with FileLock(path, timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise DuetError(
            f"{path} has been held by another session for {LOCK_SECONDS} s. If no other session is saving there, "
            "something holds it that hangs: end that, and run again."
        ) from None
