"""``python -m benchmarks COMMAND``: pytest-duet's commands, which know this suite here, and the suite's own doctor."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import doctor_command
from pytest_duet.commands import cli

SUITE = cli.Suite(
    plugins=("benchmarks.plugin",), arguments=("benchmarks", "--no-limit"), folder=Path(__file__).parents[1]
)


def main(arguments=None):
    """Run a command, :func:`pytest_duet.commands.cli.main`; return its exit code."""
    return cli.main(arguments, "python -m benchmarks", SUITE, (*cli.COMMANDS, doctor_command))


if __name__ == "__main__":
    sys.exit(main())
