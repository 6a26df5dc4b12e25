"""``python -m benchmarks COMMAND``: what is done with saved runs, outside of a pytest session."""

from __future__ import annotations

import argparse
import os
import sys

from benchmarks.doctor import command as doctor_command
from benchmarks.doctor import hooks as doctor_hooks
from benchmarks.report import hooks as report_hooks
from pytest_duet.commands import calibrate_command, history_command, report_command
from pytest_duet.errors import DuetError
from pytest_duet.plugin import extensions


def main(arguments=None):
    """Run a command; return its exit code: 0, 1 where it found something wrong, 2 where it was asked for nonsense."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    hook = extensions.manager(doctor_hooks, report_hooks).hook
    for command in (history_command, calibrate_command):
        command.add_parser(commands)
    for command in (report_command, doctor_command):
        command.add_parser(commands, hook)
    chosen = parser.parse_args(arguments)
    try:
        code = chosen.run(chosen) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `| head` has seen enough; Python must not try to write the rest when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (DuetError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
