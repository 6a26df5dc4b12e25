"""The gate's verdicts: a paragraph for a failed test, a table for the terminal, Markdown for CI, JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_duet.atomic import atomic_write
from pytest_duet.judge.verdict import Cell, Verdict
from pytest_duet.record.metrics import ACCURACY, ACCURACY_DIFFERENCE, METRICS
from pytest_duet.report.markdown import escape, table_row
from pytest_duet.report.text_table import write_table

if TYPE_CHECKING:
    import pytest

SCHEMA = 1
TITLES = {ACCURACY: "accuracy", **{name: metric.title for name, metric in METRICS.items()}}
UNITS = {ACCURACY: "", **{name: metric.unit for name, metric in METRICS.items()}}


class Options(Protocol):
    """What of the gate's options is told."""

    history: bool
    against: str | None
    max_trials: int


class Judged(Protocol):
    """What of the gate is told.

    :ivar machine: its name; ``""`` where the session measured on this machine alone.
    :ivar failed: how many tests failed.
    """

    options: Options
    cells: dict[Any, Cell] | None
    findings: list[str]
    cautions: list[str]
    machine: str
    failed: int
    interrupted: bool


def paragraph(cell: Cell, options: Options) -> str:
    """Return what the test of a comparison says that failed or is open: values, interval, margin, and what to do."""
    parts = [f"{cell.framework}, {TITLES[cell.metric]}: {cell.verdict}"]
    if cell.was is not None:
        parts[0] += f", {quantity(cell.was, cell.metric)} → {quantity(cell.now, cell.metric)}"
    if cell.low is not None and cell.high is not None:
        interval = f"{_percent(cell.low)} to {_percent(cell.high)} %, each bound wrong with p < {cell.alpha:.2g}"
        parts[0] += f" ({_change(cell)}interval {interval})"
    if cell.margin is not None:
        parts[0] += f", margin {100 * (cell.margin - 1):.3g} %"
    if cell.trials:
        base = f"against {cell.runs} runs" if cell.runs is not None else f"with {options.against}, turn by turn"
        parts.append(f"{cell.trials} trials {base}")
    if cell.note:
        parts.append(cell.note.rstrip("."))
    if cell.verdict is Verdict.REGRESSED:
        parts.append(_what_to_do(cell, options))
    return ". ".join(parts) + "."


def _change(cell: Cell) -> str:
    return f"{_percent(cell.now / cell.was)} %, " if cell.was and cell.now else ""


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f}"


def _what_to_do(cell: Cell, options: Options) -> str:
    if cell.metric == ACCURACY:
        return (
            f"They may differ by {ACCURACY_DIFFERENCE:g}; the other metrics of this benchmark mean nothing until they "
            "agree"
        )
    if options.history:
        return (
            "If this is intended, `python -m pytest_duet history accept latest` starts a new window with this run "
            "(README says how where CI keeps the history)"
        )
    return f"If this is intended, allow for it: --gate-margin {cell.metric}={ceil(100 * ((cell.high or 1) - 1))}%"


def quantity(value: float | None, metric: str) -> str:
    """Return a metric's value as text, with its unit."""
    if value is None:
        return "-"
    if UNITS[metric] == "s":
        return f"{value:.3f} s" if value >= 0.1 else f"{value * 1e3:.3f} ms"
    return f"{value / 2**20:,.1f} MiB" if UNITS[metric] == "B" else f"{value:.4f}"


def rows(gate: Judged) -> list[tuple[str, ...]]:
    """Return the table's lines as tuples of text, the verdicts that need somebody first."""
    order = list(Verdict)
    cells: list[Cell] = sorted((gate.cells or {}).values(), key=lambda cell: order.index(cell.verdict))
    return [
        (
            cell.framework,
            TITLES[cell.metric],
            str(cell.verdict),
            quantity(cell.was, cell.metric),
            quantity(cell.now, cell.metric),
            "-" if cell.low is None else f"{cell.low:.3f} to {cell.high:.3f}",
            "-" if cell.margin is None else f"{cell.margin:.3f}",
            str(cell.trials or "-"),
            cell.note,
        )
        for cell in cells
    ]


HEADINGS = ("framework", "metric", "verdict", "before", "now", "new/old", "margin", "trials", "notes")


def headline(gate: Judged) -> str:
    """Return the gate's answer in one sentence."""
    if not gate.cells:
        return "the gate judged nothing"
    counts = {verdict: sum(cell.verdict is verdict for cell in gate.cells.values()) for verdict in Verdict}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def show(terminalreporter: pytest.TerminalReporter, gate: Judged) -> None:
    """Write the table through pytest's terminal reporter."""
    right = ("before", "now", "margin", "trials")
    write_table(terminalreporter, f"gate: {headline(gate)}", HEADINGS, rows(gate), right)
    for finding in gate.findings + gate.cautions:
        terminalreporter.write_line(finding, yellow=True)


def markdown(gate: Judged) -> str:
    """Return the same as Markdown."""
    where = f" on {gate.machine}" if gate.machine else ""
    lines = [f"### Gate{where}: {headline(gate)}", ""]
    lines += [table_row(HEADINGS), table_row(["---"] * len(HEADINGS))]
    lines += [table_row(line) for line in rows(gate)]
    lines += [""] + [f"- {escape(finding)}" for finding in gate.findings + gate.cautions]
    return "\n".join(lines) + "\n\n"


def as_json(gate: Judged) -> dict[str, Any]:
    """Return the verdicts as RESULTS.md documents them."""
    options = gate.options
    return {
        "schema": SCHEMA,
        "mode": "against" if options.against else "history" if options.history else None,
        "against": options.against,
        "max_trials": options.max_trials if options.against else None,
        "failed_tests": gate.failed,
        "interrupted": gate.interrupted,
        "cells": [asdict(cell) for cell in (gate.cells or {}).values()],
        "findings": list(gate.findings),
        "cautions": list(gate.cautions),
    }


def write_json(gate: Judged, path: Path) -> None:
    """Write them to a file, all or nothing."""
    atomic_write(path, json.dumps(as_json(gate), indent=2).encode() + b"\n")
