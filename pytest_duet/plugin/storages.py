"""pytest-benchmark's file storage, with the saving of :mod:`pytest_duet.record.storage` in place of its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_benchmark.storage.file import FileStorage

from pytest_duet.atomic import atomic_write
from pytest_duet.record.shard import FOLDER, Shard
from pytest_duet.record.storage import as_bytes, number, save_run


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


class ShardStorage(SafeStorage):
    """A storage whose runs are read as ever, while this session's shard is saved in its run's own folder.

    There are no numbers to give out, and so no lock to hold, which not every shared file system has: a file is numbered
    as its shard is, and a shard that was started again writes another one.
    """

    def __init__(self, storage: FileStorage, shard: Shard) -> None:
        super().__init__(storage.path, storage.logger, storage.default_machine_id)  # type: ignore[no-untyped-call]
        self.shard = shard

    def save(self, output_json: dict[str, Any], save: str) -> None:
        """Write the shard."""
        folder = self.path / FOLDER / self.shard.run / self.default_machine_id
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.shard.number:04}_{save}-{secrets.token_hex(4)}.json"
        atomic_write(path, as_bytes(output_json))
        self.logger.info(f"Saved benchmark data in: {path}")
