"""pytest-benchmark's file storage, for sessions that end at the same moment, or in the middle of saving.

pytest-benchmark's own counts files and then writes: two sessions take the same number, a killed one leaves half a file,
and after run 9999 its pattern for numbers no longer matches.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager

from pytest_benchmark.storage.file import FileStorage
from pytest_benchmark.utils import safe_dumps

from pytest_duet.atomic import atomic_write
from pytest_duet.errors import DuetError

LOCK_SECONDS = 60
NUMBERED = re.compile(r"(\d{4,})_.*\.json")


class SafeStorage(FileStorage):
    """The same folder, files and names; numbers are given out once, files appear whole, and there is a run 10000."""

    def save(self, output_json, save):
        """Write a run under the next number."""
        with lock(self.get("")):
            path = self._write(as_bytes(output_json), save)
        self.logger.info(f"Saved benchmark data in: {path}")

    def save_once(self, data, save, will_do=lambda path: False):
        """Write a run's bytes under the next number unless they are there; return the path and whether it is new.

        :param will_do: tells of the path of a run whether it makes this one needless; asked while nobody else can save.
        """
        with lock(self.get("")):
            for path in sorted(self.get("").glob("*.json")):
                same = path.stat().st_size == len(data) and path.read_bytes() == data
                if number(path) and (same or will_do(path)):
                    return path, False
            return self._write(data, save), True

    def _write(self, data, save):
        path = self.get(f"{self._next_num}_{save}.json")
        atomic_write(path, data)
        return path

    @property
    def _next_num(self):
        return f"{max(map(number, self.get('').glob('*.json')), default=0) + 1:04}"

    @property
    def location(self):
        return os.path.relpath(self.path)  # pytest-benchmark's own fails for a folder outside the working directory

    def query(self, *globs_or_files):
        """Return the files that match, in the order of their numbers."""
        return sorted(super().query(*globs_or_files), key=lambda path: (number(path), path.name, path.parent))

    def load(self, *globs_or_files):
        """Yield the runs that match; all of them by default, those after 9999 included."""
        return super().load(*(globs_or_files or ("[0-9][0-9][0-9][0-9]",)))


def as_bytes(output_json):
    """Return a run as pytest-benchmark writes it."""
    return safe_dumps(output_json, ensure_ascii=True, indent=4).encode()


def platform_folder(machine):
    """Return the name of the folder that pytest-benchmark keeps a machine's runs in.

    :param machine: what it saves of the machine, ``machine_info``.
    """
    python = ".".join(str(machine.get("python_version")).split(".")[:2])
    bits = 64 if "64" in str(machine.get("machine")) else 32
    return f"{machine.get('system')}-{machine.get('python_implementation')}-{python}-{bits}bit"


def number(path):
    """Return a saved run's number; 0 for a file that has none."""
    found = NUMBERED.fullmatch(path.name)
    return int(found[1]) if found else 0


@contextmanager
def lock(folder):
    """Hold a storage folder for oneself while something is written there.

    :raises DuetError: where somebody else holds it for a minute.
    """
    from filelock import FileLock, Timeout

    path = folder / ".lock"
    try:
        with FileLock(path, timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise DuetError(
            f"{path} has been held by another session for {LOCK_SECONDS} s. If no other session is saving there, "
            "something holds it that hangs: end that, and run again."
        ) from None
