"""``python -m benchmarks COMMAND``: pytest-duet's commands, which know this suite here, and the suite's own doctor."""

from __future__ import annotations

import sys
from functools import partial

from benchmarks.doctor import command as doctor_command
from benchmarks.doctor import hooks as doctor_hooks
from benchmarks.report import hooks as report_hooks
from pytest_duet.commands import bisect_command, calibrate_command, cli, history_command, report_command
from pytest_duet.plugin import extensions


def main(arguments=None):
    """Run a command, :func:`pytest_duet.commands.cli.main`; return its exit code."""
    hook = extensions.manager(doctor_hooks, report_hooks).hook
    return cli.main(
        arguments,
        "python -m benchmarks",
        history_command.add_parser,
        partial(calibrate_command.add_parser, always=("benchmarks", "--no-limit")),
        partial(bisect_command.add_parser, always=("benchmarks", "--no-limit")),
        partial(report_command.add_parser, hook=hook),
        partial(doctor_command.add_parser, hook=hook),
    )


if __name__ == "__main__":
    sys.exit(main())
