"""The commands, put together: ``python -m pytest_duet COMMAND``, and a suite's own command line with more of them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pytest_duet.commands import calibrate_command, history_command, report_command
from pytest_duet.errors import DuetError

if TYPE_CHECKING:
    import pluggy

COMMANDS = (history_command, calibrate_command, report_command)
EXTRAS = dict.fromkeys(("altair", "jinja2", "orjson", "ruptures", "vl_convert"), "report")  # modules that one brings


@dataclass(frozen=True)
class Suite:
    """What a suite adds to the commands, which find it as ``chosen.suite``.

    :param plugins: the names of the modules that implement :mod:`pytest_duet.plugin.hookspecs`, imported when needed.
    :param arguments: what its session is started with: where its benchmarks are, and options.
    :param folder: where its session is started; None for the working directory.
    """

    plugins: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    folder: Path | None = None

    @cached_property
    def extensions(self) -> pluggy.PluginManager:
        """Its implementations of the hooks."""
        from pytest_duet.plugin.extensions import manager

        return manager(*map(import_module, self.plugins))


def main(
    arguments: Sequence[str] | None,
    program: str,
    suite: Suite,
    commands: Iterable[ModuleType] = COMMANDS,
) -> int:
    """Run a command; return its exit code: 0, 1 where it found something wrong, 2 where it was asked for nonsense.

    :param arguments: the words after the program's name; None for this process's own.
    :param program: as its user calls it.
    :param commands: modules with a function ``add_parser``, which sets ``run`` as what to call.
    """
    what = "What is done with saved runs, outside of a pytest session."
    parser = argparse.ArgumentParser(prog=program, description=what)
    parser.set_defaults(suite=suite)
    actions = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in commands:
        command.add_parser(actions)
    chosen = parser.parse_args(arguments)
    try:
        code = int(chosen.run(chosen) or 0)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `| head` has seen enough; Python must not try to write the rest when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (DuetError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(str(error.name).partition(".")[0])
        if extra is None:
            raise
        print(f"{error.name} is not installed; `pip install 'pytest-duet[{extra}]'` brings it.", file=sys.stderr)
        return 2
