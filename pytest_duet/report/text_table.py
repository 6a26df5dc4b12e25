"""Tables in a terminal."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

WIDTH = 100  # of text, and of the tables of a usual run


def write_table(
    terminalreporter: pytest.TerminalReporter,
    title: str,
    headings: Sequence[str],
    lines: Iterable[Sequence[str]],
    right: Collection[str],
) -> None:
    """Write a table through pytest's terminal reporter; the arguments are those of :func:`as_table`."""
    text = as_table(headings, lines, right, terminalreporter.hasmarkup)
    terminalreporter.ensure_newline()
    terminalreporter.section(title, sep="-")
    terminalreporter.write(f"{text}\n")


def as_table(
    headings: Sequence[str], lines: Iterable[Sequence[str]], right: Collection[str], markup: bool = False
) -> str:
    """Return a table as text.

    :param headings: of the columns; those in ``right`` have their text on the right.
    :param lines: a sequence of text for each.
    :param markup: whether the terminal shows bold letters.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    text = io.StringIO()
    # As wide as its figures need, like pytest-benchmark's table: a terminal that is narrower wraps, and nothing is cut.
    console = Console(file=text, width=1_000, force_terminal=markup, highlight=False, markup=False)
    console.print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def wrapped(text: str) -> str:
    """Return text in lines of ``WIDTH`` characters, options and names left whole."""
    return textwrap.fill(text, WIDTH, break_on_hyphens=False, break_long_words=False)


def or_dash(form: str, value: float | None, unit: int = 1) -> str:
    """Return a number in ``unit`` as ``form`` has it, or a dash for None."""
    return "-" if value is None else form.format(value / unit)
