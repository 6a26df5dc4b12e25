"""A command line put together of commands: the instrument's own, or a suite's, which has more of them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from pytest_duet.errors import DuetError

EXTRAS = dict.fromkeys(("altair", "jinja2", "ruptures", "vl_convert"), "report")  # modules that one brings


def main(arguments: Sequence[str] | None, program: str, *declare: Callable[[Any], None]) -> int:
    """Run a command; return its exit code: 0, 1 where it found something wrong, 2 where it was asked for nonsense.

    :param arguments: the words after the program's name; None for this process's own.
    :param program: as its user calls it.
    :param declare: functions that each add a command to argparse's subparsers, and set ``run`` as what to call.
    """
    what = "What is done with saved runs, outside of a pytest session."
    parser = argparse.ArgumentParser(prog=program, description=what)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add_parser in declare:
        add_parser(commands)
    words = sys.argv[1:] if arguments is None else list(arguments)
    end = words.index("--") if "--" in words else len(words)
    chosen = parser.parse_args(words[:end])
    chosen.pytest = [*getattr(chosen, "pytest", ()), *words[end + 1 :]]  # behind --, argparse would count words
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
