"""``pytest benchmarks --report FILE``: the report of this session, with the trends of the runs saved before it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_duet.errors import DuetError


def add_options(parser):
    """Declare the option to pytest."""
    parser.getgroup("frameworks").addoption(
        "--report",
        metavar="FILE",
        help="write an HTML page that works offline: this session, and the trends of the runs saved before it",
    )


class SessionReport:
    """The plugin of one session that was asked for a report.

    :param config: pytest's.
    :param path: where the page goes.
    :raises DuetError: where that is no place for a file.
    """

    def __init__(self, config, path):
        self.config, self.path = config, Path(path).absolute()
        self.saved = None  # the run as pytest-benchmark saved it, if it did
        self.lines = []
        if self.path.is_dir() or not self.path.parent.is_dir():
            raise DuetError(f"--report={path}: name a file in a folder that is there.")

    @pytest.hookimpl(trylast=True)
    def pytest_benchmark_update_json(self, output_json):
        self.saved = output_json

    @pytest.hookimpl(trylast=True)  # when the gate has written its own
    def pytest_sessionfinish(self):
        benchmarks = self.config._benchmarksession.benchmarks  # pytest-benchmark has no public way to them
        if not any(not bench.has_error for bench in benchmarks):
            self.lines.append("--report: nothing was measured, so there is no page.")
            return
        try:
            self._write(self.saved or unsaved_json(self.config, benchmarks))
        except (DuetError, OSError) as error:
            self.lines.append(f"--report: {error}")

    def _write(self, run):
        from pytest_duet.report import outputs as files
        from pytest_duet.report.gather import gather

        storage = getattr(self.config._benchmarksession.storage, "path", None)
        gathered = gather((), storage if storage and storage.is_dir() else None, today=run)
        self.lines += [f"{name}: {text}" for name, text in gathered.remarks]
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        append_to = Path(summary) if summary else None
        written = files.write(gathered, self.path, append_to=append_to, hook=self.config.hook)
        self.lines += [f"wrote {path}" for path in written]

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter):
        for line in self.lines:
            terminalreporter.write_line(line)


def unsaved_json(config, benchmarks):
    """Return a session's run as pytest-benchmark would save it, were it asked to.

    :param benchmarks: pytest-benchmark's, those of the session.
    """
    hook, same = config.hook, {"config": config}
    machine = config._benchmarksession.get_machine_info()
    commit = hook.pytest_benchmark_generate_commit_info(**same)
    hook.pytest_benchmark_update_commit_info(**same, commit_info=commit)
    found = hook.pytest_benchmark_generate_json(
        **same, benchmarks=benchmarks, include_data=True, machine_info=machine, commit_info=commit
    )
    hook.pytest_benchmark_update_json(**same, benchmarks=benchmarks, output_json=found)
    return found
