"""``python -m pytest_duet doctor``: is this machine fit to measure, and if not, what is to be done?"""

from __future__ import annotations

import json
import shutil
import textwrap
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_duet.commands.history_command import STORAGE

if TYPE_CHECKING:
    from pluggy import HookRelay

    from pytest_duet.doctor.gpus import Look
    from pytest_duet.doctor.row import Row

SCHEMA = 1
WIDTH = 140  # of the tables where there is no terminal to ask


def add_parser(commands: Any, hook: HookRelay | None = None) -> None:
    """Declare the command to argparse; ``hook`` is that of the plugins that add rows."""
    what = "look at the machine, its GPUs and the storage; exit code 1 if anything is broken"
    parser = commands.add_parser("doctor", help="is this machine fit to measure, and if not, why", description=what)
    add_options(parser)
    parser.set_defaults(run=lambda chosen: run(chosen, hook))


def add_options(parser: ArgumentParser) -> None:
    """Declare what every doctor has."""
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="default: a GPU if any")
    parser.add_argument("--storage", default=STORAGE, metavar="DIR", help=f"where runs are saved (default: {STORAGE})")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables (RESULTS.md)")


def run(chosen: Namespace, hook: HookRelay | None) -> int:
    """Print a row for everything that was looked at; return 1 if anything is broken."""
    from pytest_duet.doctor import gpus

    look = gpus.look()
    return show(look_around(chosen, look, hook), as_json(look) if chosen.json else None)


def look_around(chosen: Namespace, look: Look, hook: HookRelay | None) -> list[Row]:
    """Return the rows of the machine, of the plugins, and of the GPUs."""
    from pytest_duet.doctor import folders, gpus, machine

    found = hook.pytest_duet_doctor_rows(chosen=chosen) if hook else ()
    storage = chosen.storage.removeprefix("file://")
    more = [row for rows in found for row in rows]
    return [*machine.rows(storage, folders(hook)), *more, *gpus.rows(look, chosen.device)]


def as_json(look: Look, **more: Any) -> dict[str, Any]:
    """Return what :func:`show` is to print as JSON beside the rows, as RESULTS.md describes it."""
    return {"schema": SCHEMA, "gpus": look.cards, **more}


def show(rows: Sequence[Row], found: dict[str, Any] | None = None, tables: Iterable[str] = ()) -> int:
    """Print all rows; return the exit code, 1 if anything is broken.

    :param found: what is printed as JSON, in place of tables; None for tables.
    :param tables: further ones, printed below the first.
    """
    from pytest_duet.doctor.row import BROKEN, WORST_LAST
    from pytest_duet.report.text_table import as_table

    states = [row.state for row in rows]
    if found is not None:
        whole = {**found, "rows": [asdict(row) for row in rows]}
        print(json.dumps(whole, indent=2, allow_nan=False, default=sorted))  # sets become lists
        return int(BROKEN in states)
    print(as_table(("looked at", "state", "found", "what to do"), [_cells(row) for row in rows], right=()))
    for table in tables:
        print(table)
    for row in rows:
        if row.detail:
            print(f"{row.subject}: {row.found}\n{row.detail}\n")
    counts = [f"{states.count(state)} {state}" for state in reversed(WORST_LAST) if state in states]
    print(f"{len(rows)} rows: {', '.join(counts)}.")
    return int(BROKEN in states)


def width() -> int:
    """Return how many characters a line of the terminal has."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def _cells(row: Row) -> tuple[str, ...]:
    """Return a row's cells as text, its sentences wrapped, so that the table fits into the terminal."""
    room = max(60, width() - 30)
    fill = partial(textwrap.fill, break_long_words=False, break_on_hyphens=False)
    state = row.state if row.state == "ok" else row.state.upper()
    return row.subject, state, fill(row.found, room * 3 // 5), fill(row.advice, room * 2 // 5)
