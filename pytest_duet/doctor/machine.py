"""The machine without its GPUs: cores, clock, memory, disk and the storage, a row each."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from pytest_duet.doctor import cgroup
from pytest_duet.doctor.row import BROKEN, OK, WARNING, Row
from pytest_duet.errors import DuetError
from pytest_duet.sensors.cpu import usable_cores

GIB = 2**30
# The largest worker seen holds 1.7 GiB, --against has two of them alive, and pytest itself needs some 0.3 GiB.
LEAST_MEMORY_BYTES = 4 * GIB
NO_ROOM = "name another folder (--storage, TMPDIR, XDG_CACHE_HOME)"
LEAST_DISK_BYTES = 1 * GIB  # a saved run takes 0.1 MiB; compilers' scratch files are what fills a disk
Folders = Mapping[str, Callable[[], "str | Path"]]  # what they are for, and what finds them, or raises DuetError


def rows(folder: str | Path | None, folders: Folders) -> list[Row]:
    """Return all rows of the machine, on which runs are saved in ``folder``, unless it is None."""
    found = [cores(), governor(), memory()]
    return [*found, disk(folder, folders), storage(folder)] if folder else found


def cores(root: str | Path = "/") -> Row:
    """Return the row of the cores: how many there are, and whether a container's limit makes threads wait."""
    usable, quota = usable_cores(), cgroup.cpu_cores(root)
    text = f"{usable} of {os.cpu_count()} cores usable"
    if quota is not None and quota < usable:
        text += f", and a control group allows the time of {quota:g}: more threads than that are stopped in every round"
        return Row("cores", WARNING, text, f"--threads={max(1, int(quota))}, or raise the container's limit")
    return Row("cores", OK, text)


def governor(root: str | Path = "/") -> Row:
    """Return the row of Linux's CPU frequency governor."""
    files = Path(root, "sys/devices/system/cpu").glob("cpu*/cpufreq/scaling_governor")
    names = sorted({name for name in map(_read, files) if name})
    if names in ([], ["performance"]):
        return Row("CPU governor", OK, "".join(names) or "not told here, as in most virtual machines")
    what = "`sudo cpupower frequency-set -g performance`"
    return Row("CPU governor", WARNING, f"{' and '.join(names)}: clocks follow the load, and times with them", what)


def memory(root: str | Path = "/") -> Row:
    """Return the row of the memory that is free, for the machine and for this process's control group."""
    machine, group = _available_bytes(root), cgroup.free_bytes(root)
    free = min((size for size in (machine, group) if size is not None), default=None)
    if free is None:
        return Row("memory", OK, "not told here")
    text = f"{free / GIB:.1f} GiB free" + (" in this container" if group is not None and free == group else "")
    if free < LEAST_MEMORY_BYTES:
        text += f", less than {LEAST_MEMORY_BYTES // GIB} GiB: a worker may be killed"
        return Row("memory", WARNING, text, "close what else runs, or give the container more")
    return Row("memory", OK, text)


def disk(storage: str | Path, folders: Folders = MappingProxyType({})) -> Row:
    """Return the row of the disk with the least room of those that a session writes to."""
    places: Folders = {"the storage": lambda: storage, "temporary files": tempfile.gettempdir, **folders}
    found = []
    for purpose, find in places.items():
        try:
            folder = absolute(find())
            found.append((shutil.disk_usage(_existing(folder)).free, purpose, folder))
        except DuetError as error:
            return Row("disk", WARNING, f"there is no place for {purpose}", str(error))
        except OSError as error:
            text = f"it is unknown how much is free for {purpose} ({folder}: {error.strerror or error})"
            return Row("disk", WARNING, text, NO_ROOM)
    free, purpose, folder = min(found)
    text = f"{free / GIB:.1f} GiB free for {purpose} ({folder})"
    if free < LEAST_DISK_BYTES:
        return Row("disk", WARNING, text, f"make room there, or {NO_ROOM}")
    return Row("disk", OK, text)


def storage(folder: str | Path) -> Row:
    """Return the row that says whether runs can be saved; nothing that was not there is left there."""
    path = absolute(folder)
    try:
        with tempfile.TemporaryFile(dir=_existing(path)) as file:
            file.write(b"can this be written?")
            file.flush()
    except OSError as error:
        text = f"{path} cannot be written ({error.strerror or error})"
        return Row("storage", BROKEN, text, "mend its permissions, or save elsewhere: --benchmark-storage=file://DIR")
    made = "" if os.path.isdir(path) else ", and is made by the first saved run"
    return Row("storage", OK, f"{path} can be written{made}")


def absolute(path: str | Path) -> Path:
    """Return a path with ``~`` expanded, whatever the working directory will be."""
    return Path(os.path.abspath(os.path.expanduser(path)))


def _existing(path: Path) -> Path:
    """Return the path, or the nearest folder above it that is there and can be seen."""
    # Not Path.is_dir, which raises where a folder on the way may not be entered.
    return next(folder for folder in (path, *path.parents) if os.path.isdir(folder))


def _available_bytes(root: str | Path) -> int | None:
    lines = (_read(Path(root, "proc/meminfo")) or "").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
