"""``pytest --report FILE``: the report of this session, with the trends of the runs saved before it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pytest_duet.errors import DuetError
from pytest_duet.plugin import compat


class SessionReport:
    """The plugin of one session that was asked for a report.

    :param path: where the page goes.
    :raises DuetError: where that is no place for a file.
    """

    def __init__(self, config: pytest.Config, path: str) -> None:
        self.config, self.path = config, Path(path).absolute()
        self.saved: dict[str, Any] | None = None  # the run as pytest-benchmark saved it, if it did
        self.lines: list[str] = []
        if self.path.is_dir() or not self.path.parent.is_dir():
            raise DuetError(f"--report={path}: name a file in a folder that is there.")

    @pytest.hookimpl(trylast=True)
    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        self.saved = output_json

    @pytest.hookimpl(trylast=True)  # when the gate has written its own
    def pytest_sessionfinish(self) -> None:
        records = compat.sound_records(self.config)
        if not records:
            self.lines.append("--report: nothing was measured, so there is no page.")
            return
        try:
            self._write(self.saved or compat.as_saved(self.config, records))
        except (DuetError, OSError) as error:
            self.lines.append(f"--report: {error}")

    def _write(self, run: dict[str, Any]) -> None:
        from pytest_duet.report import outputs as files
        from pytest_duet.report.gather import gather

        storage = compat.storage_folder(self.config)
        gathered = gather((), storage if storage and storage.is_dir() else None, today=run)
        self.lines += [f"{name}: {text}" for name, text in gathered.remarks]
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        append_to = Path(summary) if summary else None
        written = files.write(gathered, self.path, append_to=append_to, hook=self.config.hook)
        self.lines += [f"wrote {path}" for path in written]

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.lines:
            terminalreporter.write_line(line)
