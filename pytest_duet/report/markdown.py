"""A saved run as Markdown, for a README, a pull request or CI's summary: the verdict, the table, trends as glyphs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_duet.report.additions import Column, Words
from pytest_duet.report.glyphs import RUNS, sparkline
from pytest_duet.report.lenient import Record
from pytest_duet.report.reading import is_ours, is_whole, steps

MIB = 2**20


def summary(sentence: str, urgent: Sequence[dict[str, Any]], its_table: str) -> str:
    """Return a run's verdict, what needs somebody, and its table.

    :param urgent: rows of :func:`pytest_duet.report.sections.verdict_cards.rows`.
    """
    findings = [f"- {escape(_finding(cell))}" for cell in urgent]
    return "\n".join([f"### {escape(sentence)}", "", *findings, *([""] if urgent else []), its_table])


def _finding(cell: dict[str, Any]) -> str:
    change = f": {cell['was_text']} → {cell['now_text']}" if cell["was"] and cell["now"] else ""
    return f"{cell['framework']}, {cell['title']}: {cell['verdict']}{change}"


def table(
    saved: Any,
    trends: Mapping[str, Sequence[float]] | None = None,
    words: Words | None = None,
    columns: Iterable[Column] = (),
) -> str:
    """Return the Markdown table of a saved run, the fastest first unless a column ranks them otherwise.

    :param saved: the content of a pytest-benchmark JSON file; benchmarks without trials are passed over.
    :param trends: seconds of the newest runs, oldest first, by benchmark; a column shows those of two or more.
    :param columns: to show beside the instrument's own.
    """
    trends = {name: values for name, values in (trends or {}).items() if len(values) > 1}
    shown = sorted((*own_columns(words or Words()), *columns), key=lambda column: column.place)
    shown = [column for column in shown if column.markdown]
    ranks = [column.rank for column in shown if column.rank] or [_seconds]

    def rank(bench: Record) -> list[Any]:
        return [rank(bench.record("extra_info")) for rank in ranks]

    headings = [*(column.markdown for column in shown), *(["trend"] if trends else [])]
    rules = ["---" if column.words else "---:" for column in shown] + (["---:"] if trends else [])
    lines = [table_row(headings), table_row(rules)]
    for bench in sorted(filter(is_ours, Record(saved).records("benchmarks")), key=rank):
        row = bench.record("extra_info")
        glyphs = [sparkline(trends.get(bench.text("fullname"), ())[-RUNS:])] if trends else []
        lines.append(table_row([*(column.text(column.value(row)) for column in shown), *glyphs]))
    return "\n".join(lines) + "\n"


def own_columns(words: Words) -> list[Column]:
    """Return the instrument's columns."""

    def memory(row: Record) -> float | None:
        return row.number("memory", "host_peak_rss_bytes")

    def timed(row: Record) -> str:
        if is_whole(row):
            return _or_dash("{:.3f} s", row.number("epoch_seconds"))
        rate, part = row.number("steps_per_second"), _or_dash("{:g}", steps(row))
        return f"{_or_dash('{:.1f}', rate)} steps/s ({words.round}s of {part})"

    return [
        Column("framework", lambda row: code(row.text("framework")), markdown=words.subject, place=0, words=True),
        Column("versions", _versions, markdown="version", place=10, words=True),
        Column("environment", _environment, markdown="environment", place=30, words=True),
        Column("seconds", timed, markdown=words.round, place=40),
        Column("first", _first, "{:.3f} s", markdown=f"first {words.round}", place=50),
        Column("memory", memory, "{:,.0f} MiB", MIB, markdown="memory, host", place=70),
    ]


def _seconds(row: Record) -> float:
    return row.number("epoch_seconds") or 0


def _versions(row: Record) -> str:
    known = [(name, version) for name, version in row.record("versions").data.items() if version != "unknown"]
    return " ".join(f"{name.split('.')[0]} {version}" for name, version in known[:2])


def _environment(row: Record) -> str:
    python = f"Python {row.text('python').rpartition('.')[0]}" if row.text("python") else ""
    # Pytest's own interpreter may be of any environment, and the record names none.
    return ", ".join(filter(None, [row.text("environment"), python]))


def _first(row: Record) -> float | None:
    return row.number("first_epoch_seconds") if is_whole(row) else None


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


def _or_dash(form: str, value: float | None) -> str:
    return "-" if value is None else form.format(value)
