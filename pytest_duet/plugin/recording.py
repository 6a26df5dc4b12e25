"""What every run of a suite is saved with, and how: the machine's fingerprint, the command, a storage that is safe."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.storage.file import FileStorage

from pytest_duet.atomic import atomic_write
from pytest_duet.plugin import compat
from pytest_duet.record.storage import as_bytes, number, rescue, save_run
from pytest_duet.report.text_table import wrapped
from pytest_duet.sensors.fingerprint import fingerprint

NOT_SAVED: pytest.StashKey[list[str]] = pytest.StashKey()  # what could not be saved where it was to be, in sentences


class SafeStorage(FileStorage):
    """The same folder, files and names; numbers are given out once, files appear whole, and there is a run 10000.

    :ivar not_saved: called with a sentence where a run had to be kept elsewhere.
    """

    not_saved: Callable[[str], object] = staticmethod(warnings.warn)

    def save(self, output_json: dict[str, Any], save: str) -> None:
        """Write a run under the next number."""
        folder = self.path / self.default_machine_id if self.default_machine_id else self.path
        data = as_bytes(output_json)
        try:
            self.logger.info(f"Saved benchmark data in: {save_run(folder, data, save)}")
        except OSError as error:
            self.not_saved(rescue(data, save, folder, error))

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
    said = config.stash.setdefault(NOT_SAVED, [])

    def safe(storage: FileStorage) -> FileStorage:
        made = SafeStorage(storage.path, storage.logger, storage.default_machine_id)  # type: ignore[no-untyped-call]
        made.not_saved = said.append
        return made

    def write_json(path: Path, plain: dict[str, Any]) -> bool:
        data = as_bytes(plain)
        try:
            atomic_write(path, data)
        except OSError as error:
            said.append(rescue(data, path.stem, path.parent, error))
            return False
        return True

    compat.replace_json_writer(config, write_json)
    if not compat.replace_storage(config, safe) and must_save:
        raise pytest.UsageError("--gate: it needs runs in files, --benchmark-storage=file://DIR.")
    if must_save:
        compat.save_always(config)


class Recording:
    """The plugin of one session."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_benchmark_compare_machine_info(self) -> None:
        use_safe_storage(self.config, must_save=False)  # a warning names it, which fails for pytest-benchmark's own

    def pytest_benchmark_update_machine_info(self, machine_info: dict[str, Any]) -> None:
        machine_info["fingerprint"] = fingerprint()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for sentence in self.config.stash.get(NOT_SAVED, []):
            terminalreporter.write_line(wrapped(sentence), red=True)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.config.stash.get(NOT_SAVED, []) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED  # who asked for a file must not believe that there is one

    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        output_json["command"] = shlex.join(["pytest", *map(str, self.config.invocation_params.args)])
