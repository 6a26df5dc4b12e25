"""``python -m pytest_duet COMMAND``: what is done with saved runs, outside of a pytest session."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pytest_duet.commands import bisect_command, calibrate_command, cli, doctor_command, history_command, report_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, :func:`pytest_duet.commands.cli.main`; return its exit code."""
    commands = (history_command, calibrate_command, bisect_command, report_command, doctor_command)
    return cli.main(arguments, "python -m pytest_duet", *(command.add_parser for command in commands))


if __name__ == "__main__":
    sys.exit(main())
