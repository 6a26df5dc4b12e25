"""A saved run as Markdown, for a README, a pull request or CI's summary: the verdict, the table, trends as glyphs."""

from __future__ import annotations

import re

from pytest_duet.report.glyphs import RUNS, sparkline
from pytest_duet.report.lenient import Record
from pytest_duet.report.saved_runs import contract, is_ours

MIB = 2**20
HEADINGS = ("framework", "version", "contract", "environment", "epoch", "first epoch", "images/s")
HEADINGS += ("memory, host", "accuracy", "parity: loss", "update")
LEFT = 4  # columns that hold words
EXECUTIONS = ("eager", "compiled", "graph", "fused-epoch")


def summary(sentence, urgent, data, trends):
    """Return a run's verdict, what needs somebody, and its table.

    :param sentence: the verdict's.
    :param urgent: rows of :func:`pytest_duet.report.sections.verdict_cards.rows`.
    :param data: the run's JSON.
    :param trends: seconds of the newest runs, oldest first, by benchmark; a column shows those of two or more.
    """
    lines = [f"### {escape(sentence)}", ""]
    lines += [f"- {escape(_finding(cell))}" for cell in urgent]
    return "\n".join([*lines, *([""] if urgent else []), table(data, trends)])


def _finding(cell):
    change = f": {cell['was_text']} was, {cell['now_text']} is" if cell["was"] and cell["now"] else ""
    return f"{cell['framework']}, {cell['title']}: {cell['verdict']}{change}"


def table(saved, trends=()):
    """Return the Markdown table of a saved run, grouped by execution, the fastest first.

    :param saved: the content of a pytest-benchmark JSON file; benchmarks without this suite's fields are passed over.
    :param trends: as :func:`summary` takes them.
    """
    trends = {name: values for name, values in dict(trends).items() if len(values) > 1}
    benches = sorted(filter(is_ours, Record(saved).records("benchmarks")), key=_order)
    headings = (*HEADINGS, *(["trend"] if trends else []))
    lines = [table_row(headings), table_row("---" if i < LEFT else "---:" for i in range(len(headings)))]
    for bench in benches:
        glyphs = [sparkline(trends.get(bench.text("fullname"), ())[-RUNS:])] if trends else []
        lines.append(table_row([*_cells(bench.record("extra_info")), *glyphs]))
    return "\n".join(lines) + "\n"


def table_row(cells):
    """Return a table's row of escaped cells."""
    return "| " + " | ".join(map(escape, cells)) + " |"


class Code(str):
    """Markdown that is to stay as it is, from :func:`code`."""


def code(text):
    """Return a code span of a text."""
    return Code("`" + re.sub(r"[`|\\\r\n]", " ", text) + "`")


def escape(text):
    """Return text that stays text: neither HTML nor Markdown, nor the end of a cell or of a row."""
    if isinstance(text, Code):
        return text
    for old, new in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\n", " "), ("\r", " ")):
        text = text.replace(old, new)
    return re.sub(r"[\\`*_\[\]!|~]", r"\\\g<0>", text)


def _order(bench):
    row = bench.record("extra_info")
    execution = contract(row)[0]
    group = EXECUTIONS.index(execution) if execution in EXECUTIONS else len(EXECUTIONS)
    return group, -(row.number("images_per_second") or 0)


def _cells(row):
    epochs = _or_dash("{:.3f} s", row.number("epoch_seconds")), _or_dash("{:.3f} s", row.number("first_epoch_seconds"))
    if row.get("whole_epochs") is False:
        rate, steps = row.number("steps_per_second"), row.number("steps_per_epoch")
        epochs = f"{_or_dash('{:.1f}', rate)} steps/s (epochs of {_or_dash('{:g}', steps)})", "-"
    known = [(name, version) for name, version in row.record("versions").data.items() if version != "unknown"]
    python = f"Python {row.text('python').rpartition('.')[0]}" if row.text("python") else ""
    return (
        code(row.text("framework")),
        " ".join(f"{name.split('.')[0]} {version}" for name, version in known[:2]),
        ", ".join(filter(None, contract(row))),
        # Pytest's own interpreter may be of any environment, and the record names none.
        ", ".join(filter(None, [row.text("environment"), python])),
        *epochs,
        _or_dash("{:,.0f}", row.number("images_per_second")),
        _or_dash("{:,.0f} MiB", row.number("memory", "host_peak_rss_bytes"), MIB),
        _or_dash("{:.4f}", row.number("accuracy")),
        _or_dash("{:.0e}", row.number("parity", "loss")),
        _or_dash("{:.0e}", row.number("parity", "update")),
    )


def _or_dash(form, value, unit=1):
    return "-" if value is None else form.format(value / unit)
