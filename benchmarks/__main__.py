"""``python -m benchmarks COMMAND``: pytest-duet's commands, which know this suite here, and the suite's own doctor."""

from __future__ import annotations

import sys
from functools import partial

from benchmarks import doctor_command
from pytest_duet.commands import calibrate_command, cli, history_command, report_command


def main(arguments=None):
    """Run a command, :func:`pytest_duet.commands.cli.main`; return its exit code."""
    return cli.main(
        arguments,
        "python -m benchmarks",
        history_command.add_parser,
        partial(calibrate_command.add_parser, always=("benchmarks", "--no-limit")),
        report_command.add_parser,
        doctor_command.add_parser,
    )


if __name__ == "__main__":
    sys.exit(main())
