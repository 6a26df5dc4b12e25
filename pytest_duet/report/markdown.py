"""A saved run as Markdown, for a README, a pull request or CI's summary: the verdict, the table, trends as glyphs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_duet.record.metrics import SHORT_SECONDS, as_time
from pytest_duet.record.row import Row
from pytest_duet.report import reading
from pytest_duet.report.additions import Column, Words, in_order
from pytest_duet.report.answer import Answer
from pytest_duet.report.glyphs import RUNS, sparkline

MIB = 2**20
HOST = "host_peak_rss_bytes"


def summary(
    sentence: str, answers: Sequence[Answer], urgent: Sequence[dict[str, Any]], its_table: str, hint: str = ""
) -> str:
    """Return a run's verdict, who is fastest, what needs somebody, and its table.

    :param sentence: the verdict; ``""`` where the gate was not asked.
    :param hint: what to do next, as Markdown.
    :param urgent: rows of :func:`pytest_duet.report.sections.verdict_cards.rows`.
    """
    lines = [f"### {escape(sentence)}", ""] if sentence else []
    lines += [f"- {escape(_finding(cell))}" for cell in urgent] + ([""] if urgent else [])
    for answer in answers:
        first, *others = map(escape, answer.sentences)
        lines += [f"**{first}** {' '.join(others)}", ""]
    return "\n".join([*lines, its_table, *([hint, ""] if hint else [])])


def _finding(cell: dict[str, Any]) -> str:
    change = f": {cell['old_text']} → {cell['new_text']}" if cell["old"] and cell["new"] else ""
    return f"{cell['subject']}, {cell['title']}: {cell['verdict']}{change}"


def table(
    rows: Mapping[str, reading.Entry],
    trends: Mapping[str, Sequence[float]] | None = None,
    words: Words | None = None,
    columns: Iterable[Column] = (),
) -> str:
    """Return the Markdown table of a run's rows, the fastest first unless a column ranks them otherwise.

    :param rows: by benchmark.
    :param trends: seconds of the newest runs, oldest first, by benchmark; a column shows those of two or more.
    :param columns: to show beside the instrument's own.
    """
    trends = {name: values for name, values in (trends or {}).items() if len(values) > 1}
    shown = [column for column in in_order([*own_columns(words or Words()), *columns]) if column.markdown]
    ranks = [column.rank for column in shown if column.rank] or [lambda row, _: reading.seconds(row) or 0]

    def rank(name: str) -> list[Any]:
        return [rank(*rows[name]) for rank in ranks]

    headings = [*(column.markdown for column in shown), *(["trend"] if trends else [])]
    rules = ["---" if column.words else "---:" for column in shown] + (["---:"] if trends else [])
    lines = [table_row(headings), table_row(rules)]
    for name in sorted(rows, key=rank):
        glyphs = [sparkline(trends.get(name, ())[-RUNS:])] if trends else []
        lines.append(table_row([*(column.text(column.value(*rows[name])) for column in shown), *glyphs]))
    return "\n".join(lines) + "\n"


def own_columns(words: Words) -> list[Column]:
    """Return the instrument's columns; a suite may have its own for them, by their names."""
    first = f"first {words.round}"
    return [
        Column("subject", lambda row, _: code(row.subject), markdown=words.subject, place=0, words=True),
        Column("versions", lambda row, _: _versions(row), markdown="version", place=10, words=True),
        Column("environment", lambda row, _: python(row), markdown="environment", place=30, words=True),
        Column("seconds", lambda row, _: _time(reading.seconds(row)), "{:.3f} s", markdown=words.round, place=40),
        Column("first", lambda row, _: _time(reading.first_seconds(row)), "{:.3f} s", markdown=first, place=50),
        Column("memory", lambda row, _: reading.memory(row, HOST), "{:,.0f} MiB", MIB, "", "memory, host", 70),
    ]


def _time(seconds: float | None) -> float | str | None:
    """Return a time in seconds, or in words where those would be 0.000."""
    return seconds if seconds is None or seconds >= SHORT_SECONDS else as_time(seconds)


def _versions(row: Row) -> str:
    known = [(name, version) for name, version in row.versions.items() if version != "unknown"]
    return " ".join(f"{name.split('.')[0]} {version}" for name, version in known[:2])


def python(row: Row) -> str:
    """Return the worker's Python, without its last number."""
    return f"Python {row.python.rpartition('.')[0]}" if row.python else ""


def table_row(cells: Iterable[str]) -> str:
    """Return a table's row of escaped cells."""
    return "| " + " | ".join(map(escape, cells)) + " |"


class Code(str):
    """Markdown that is to stay as it is, from :func:`code`."""


def code(text: str) -> Code:
    """Return a code span of a text."""
    return Code("`" + re.sub(r"[`|\\\r\n]", " ", text) + "`")


def escape(text: str) -> str:
    """Return text that stays text: neither HTML nor Markdown, nor the end of a cell or of a row."""
    if isinstance(text, Code):
        return text
    for old, new in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\n", " "), ("\r", " ")):
        text = text.replace(old, new)
    return re.sub(r"[\\`*_\[\]!|~]", r"\\\g<0>", text)
