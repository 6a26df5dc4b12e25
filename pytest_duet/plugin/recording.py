"""What every run of a suite is saved with, and how: the machine's fingerprint, the command, a storage that is safe."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.storage.file import FileStorage

from pytest_duet.plugin import compat
from pytest_duet.record.storage import as_bytes, number, save_run
from pytest_duet.sensors.fingerprint import fingerprint


class SafeStorage(FileStorage):
    """The same folder, files and names; numbers are given out once, files appear whole, and there is a run 10000."""

    def save(self, output_json: dict[str, Any], save: str) -> None:
        """Write a run under the next number."""
        folder = self.path / self.default_machine_id if self.default_machine_id else self.path
        path = save_run(folder, as_bytes(output_json), save)
        self.logger.info(f"Saved benchmark data in: {path}")

    @property
    def location(self) -> str:
        return os.path.relpath(self.path)  # pytest-benchmark's own fails for a folder outside the working directory

    def query(self, *globs_or_files: str) -> list[Path]:
        """Return the files that match, in the order of their numbers."""
        found = super().query(*globs_or_files)  # type: ignore[no-untyped-call]
        return sorted(found, key=lambda path: (number(path), path.name, path.parent))

    def load(self, *globs_or_files: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield the runs that match; all of them by default, those after 9999 included."""
        yield from super().load(*(globs_or_files or ("[0-9][0-9][0-9][0-9]",)))  # type: ignore[no-untyped-call]


def use_safe_storage(config: pytest.Config, must_save: bool) -> None:
    """Have pytest-benchmark save through :class:`SafeStorage`.

    :param must_save: whether the run must be saved: history is judged by, so this run belongs into it.
    :raises pytest.UsageError: where it must, and runs are not kept in files.
    """
    if not compat.replace_storage(config, _safe) and must_save:
        raise pytest.UsageError("--gate: it needs runs in files, --benchmark-storage=file://DIR.")
    if must_save:
        compat.save_always(config)


def _safe(storage: FileStorage) -> FileStorage:
    return SafeStorage(storage.path, storage.logger, storage.default_machine_id)  # type: ignore[no-untyped-call]


class Recording:
    """The plugin of one session."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_benchmark_compare_machine_info(self) -> None:
        use_safe_storage(self.config, must_save=False)  # a warning names it, which fails for pytest-benchmark's own

    def pytest_benchmark_update_machine_info(self, machine_info: dict[str, Any]) -> None:
        machine_info["fingerprint"] = fingerprint()

    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        output_json["command"] = shlex.join(["pytest", *map(str, self.config.invocation_params.args)])
