"""The gate's verdicts: a paragraph for a failed test, a table for the terminal, Markdown for CI, JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import ceil

from benchmarks.proof.parity import ACCURACY_TOLERANCE
from pytest_duet.atomic import atomic_write
from pytest_duet.judge.verdict import Verdict
from pytest_duet.record.metrics import ACCURACY, METRICS
from pytest_duet.report.markdown import escape, table_row
from pytest_duet.report.text_table import write_table

SCHEMA = 1
TITLES = {ACCURACY: "accuracy", **{name: metric.title for name, metric in METRICS.items()}}
UNITS = {ACCURACY: "", **{name: metric.unit for name, metric in METRICS.items()}}


def paragraph(cell, options):
    """Return what a failed or open cell's test says: was, is, interval, margin, trials, and what to do.

    :param cell: :class:`pytest_duet.judge.verdict.Cell`.
    :param options: :class:`pytest_duet.plugin.gate_options.GateOptions`.
    """
    parts = [f"{cell.framework}, {TITLES[cell.metric]}: {cell.verdict}"]
    if cell.was is not None:
        parts[0] += f", {quantity(cell.was, cell.metric)} was, {quantity(cell.now, cell.metric)} is"
    if cell.low is not None:
        parts[0] += (
            f"; new/old lies between {cell.low:.3f} and {cell.high:.3f} (each bound wrong with p < {cell.alpha:.2g})"
        )
    if cell.margin is not None:
        parts[0] += f", up to {cell.margin:.3f} does not matter"
    if cell.trials:
        base = f"against {cell.runs} runs" if cell.runs is not None else f"with {options.against}, turn by turn"
        parts.append(f"{cell.trials} trials {base}")
    if cell.note:
        parts.append(cell.note.rstrip("."))
    if cell.verdict is Verdict.REGRESSED:
        parts.append(_what_to_do(cell, options))
    return ". ".join(parts) + "."


def _what_to_do(cell, options):
    if cell.metric == ACCURACY:
        allowed = 2 * ACCURACY_TOLERANCE
        return f"They may differ by {allowed:g}; the other metrics of this benchmark mean nothing until they agree"
    if options.history:
        return (
            "If it is meant to be so, `python -m benchmarks history accept latest` starts a new window with this run "
            "(README says how where CI keeps the history)"
        )
    return f"If it is meant to be so, allow for it: --gate-margin {cell.metric}={ceil(100 * (cell.high - 1))}%"


def quantity(value, metric):
    """Return a metric's value as text, with its unit."""
    if value is None:
        return "-"
    if UNITS[metric] == "s":
        return f"{value:.3f} s" if value >= 0.1 else f"{value * 1e3:.3f} ms"
    return f"{value / 2**20:,.1f} MiB" if UNITS[metric] == "B" else f"{value:.4f}"


def rows(gate):
    """Return the table's lines as tuples of text, the verdicts that need somebody first."""
    order = list(Verdict)
    cells = sorted((gate.cells or {}).values(), key=lambda cell: order.index(cell.verdict))
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


HEADINGS = ("framework", "metric", "verdict", "was", "is", "new/old", "margin", "trials", "notes")


def headline(gate):
    """Return the gate's answer in one sentence."""
    if not gate.cells:
        return "the gate judged nothing"
    counts = {verdict: sum(cell.verdict is verdict for cell in gate.cells.values()) for verdict in Verdict}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def show(terminalreporter, gate):
    """Write the table through pytest's terminal reporter."""
    right = ("was", "is", "margin", "trials")
    write_table(terminalreporter, f"gate: {headline(gate)}", HEADINGS, rows(gate), right)
    for finding in gate.findings + gate.cautions:
        terminalreporter.write_line(finding, yellow=True)


def markdown(gate):
    """Return the same as Markdown."""
    where = f" on {gate.machine}" if gate.machine else ""
    lines = [f"### Gate{where}: {headline(gate)}", ""]
    lines += [table_row(HEADINGS), table_row(["---"] * len(HEADINGS))]
    lines += [table_row(line) for line in rows(gate)]
    lines += [""] + [f"- {escape(finding)}" for finding in gate.findings + gate.cautions]
    return "\n".join(lines) + "\n\n"


def as_json(gate):
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


def write_json(gate, path):
    """Write them to a file, all or nothing."""
    atomic_write(path, json.dumps(as_json(gate), indent=2).encode() + b"\n")
