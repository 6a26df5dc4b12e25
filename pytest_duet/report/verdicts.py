"""The gate's verdicts: a paragraph for a failed test, a table for the terminal, Markdown for CI, JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_duet.atomic import atomic_write
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.metrics import Metric
from pytest_duet.record.saved_run import GateRecord
from pytest_duet.report.markdown import escape, table_row
from pytest_duet.report.text_table import wrapped, write_table

if TYPE_CHECKING:
    import pytest


LONG_NOTE = 40  # characters; a shorter one is said again
MANY = 40  # comparisons; of more, the terminal shows those that somebody has to look at


def paragraphs(comparisons: Sequence[Comparison], gate: GateRecord) -> str:
    """Return a paragraph for each of a benchmark's comparisons, and one for all that have nothing but a note alike."""
    alike: dict[tuple[object, ...], list[Comparison]] = {}
    for one in comparisons:
        bare = one.note and one.low is None and one.old is None
        alike.setdefault((one.verdict, one.note) if bare else (one.metric,), []).append(one)
    return "\n".join(
        paragraph(first, gate, ", ".join(gate.metrics[one.metric].title for one in (first, *others)))
        for first, *others in alike.values()
    )


def paragraph(one: Comparison, gate: GateRecord, titles: str = "") -> str:
    """Return what the test of a comparison says that failed or is open: values, interval, margin, and what to do.

    :param titles: of its metric, and of others of which the same is to be said.
    """
    metric = gate.metrics[one.metric]
    parts = [f"{one.subject}, {titles or metric.title}: {one.verdict}"]
    if one.old is not None:
        parts[0] += f", {metric.text(one.old)} → {metric.text(one.new)}"
    if one.low is not None and one.high is not None:
        low, high = sorted((_changed(one.low, metric), _changed(one.high, metric)))
        interval = f"{low:+.1f} to {high:+.1f} %, each bound wrong with p < {one.alpha:.2g}"
        parts[0] += f" ({_change(one)}interval {interval})"
    if one.margin is not None:
        parts[0] += f", margin {100 * (one.margin - 1):.3g} %"
    if one.trials:
        other = one.beside or (gate.against if one.runs is None else "")
        parts.append(
            f"{one.trials} paired trials with {other}" if other else f"{one.trials} trials against {one.runs} runs"
        )
    if one.note:
        parts.append(one.note.rstrip("."))
    if one.verdict is Verdict.REGRESSED:
        parts.append(_what_to_do(one, metric, gate))
    return ". ".join(parts) + "."


def _change(one: Comparison) -> str:
    return f"{100 * (one.new / one.old - 1):+.1f} %, " if one.old and one.new else ""


def _changed(ratio: float, metric: Metric) -> float:
    """Return by how many per cent the value changed, of a ratio that is above 1 where it is worse."""
    return 100 * ((1 / ratio if metric.better == "higher" else ratio) - 1)


def _what_to_do(one: Comparison, metric: Metric, gate: GateRecord) -> str:
    if metric.every_round:
        return "If the code is to compute something else now, leave it out of --gate-metrics"
    if metric.exact:
        return f"They may differ by {metric.tolerance:g}; until they agree, this benchmark's other metrics mean nothing"
    if gate.mode == "history":
        return (
            "If this is intended, `python -m pytest_duet history accept latest` starts a new window with this run "
            "(docs/gate-in-ci.md says how where CI keeps the history)"
        )
    margin = f"{ceil(100 * ((one.high or 1) - 1))}%"
    marker = f'@pytest.mark.gate({one.metric}="{margin}")'
    return f"If this is intended, allow for it: --gate-margin {one.metric}={margin}, or {marker} on the test"


def rows(gate: GateRecord) -> list[tuple[str, ...]]:
    """Return the table's lines as tuples of text, the verdicts that need somebody first.

    Where several tests measure one subject, their names are told.
    """
    order, tests = list(Verdict), {(one.subject, one.benchmark) for one in gate.comparisons}
    of_subject = Counter(subject for subject, _ in tests)
    return [
        (
            one.subject if of_subject[one.subject] == 1 else one.benchmark.rpartition("::")[2],
            gate.metrics[one.metric].title,
            str(one.verdict),
            gate.metrics[one.metric].text(one.old),
            gate.metrics[one.metric].text(one.new),
            "-" if one.low is None else f"{one.low:.3f} to {one.high:.3f}",
            "-" if one.margin is None else f"{one.margin:.3f}",
            "-" if one.visible is None else f"{one.visible:.3f}",
            str(one.trials or "-"),
            one.note,
        )
        for one in sorted(gate.comparisons, key=lambda one: order.index(one.verdict))
    ]


def headings(subject: str) -> tuple[str, ...]:
    """Return the table's headings; what is visible is the smallest ratio that would have been called a regression.

    :param subject: what the suite calls what it measures.
    """
    return (subject, "metric", "verdict", "before", "now", "new/old", "margin", "visible", "trials", "notes")


def headline(gate: GateRecord) -> str:
    """Return the gate's answer in one sentence."""
    if not gate.comparisons:
        return "the gate judged nothing"
    counts = {verdict: sum(one.verdict is verdict for one in gate.comparisons) for verdict in Verdict}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def show(terminalreporter: pytest.TerminalReporter, gate: GateRecord, subject: str, wide: bool = False) -> None:
    """Write the table through pytest's terminal reporter.

    :param wide: whether notes stand beside the figures, which makes lines of several hundred characters; else below.
    """
    right = ("before", "now", "margin", "visible", "trials")
    columns = len(headings(subject)) - (not wide)
    shown = gate if wide else replace(gate, comparisons=_worth_a_line(gate.comparisons))
    lines = [line[:columns] for line in _once(rows(shown))]
    write_table(terminalreporter, f"gate: {headline(gate)}", headings(subject)[:columns], lines, right)
    left_out = len(gate.comparisons) - len(shown.comparisons)
    if left_out:
        terminalreporter.write_line(f"{left_out} that are clean are left out; --wide shows them.")
    notes: dict[str, list[str]] = {}
    for line in rows(shown) if not wide else ():
        if line[-1]:
            notes.setdefault(line[-1], []).append(f"{line[0]}'s {line[1]}")
    for note, of in notes.items():
        terminalreporter.write(f"{wrapped(f'{_few(of)}: {note}')}\n")
    for finding in gate.findings + gate.cautions:
        terminalreporter.write_line(finding, yellow=True)


def _worth_a_line(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Return all of a few comparisons; of many, those that are not clean, and what else there is to say of any."""
    if len(comparisons) <= MANY:
        return tuple(comparisons)
    return tuple(one for one in comparisons if one.verdict is not Verdict.CLEAN or one.note)


def _once(lines: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the lines, with a long note in the first one alone that has it."""
    seen: set[str] = set()
    found = []
    for *cells, note in lines:
        found.append((*cells, "as above" if note in seen and len(note) > LONG_NOTE else note))
        seen.add(note)
    return found


def _few(names: list[str]) -> str:
    """Return names as a list that is no longer than a line."""
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def markdown(gate: GateRecord, subject: str, machine: str = "") -> str:
    """Return the same as Markdown.

    :param machine: its name, where the session measured on several.
    """
    where = f" on {machine}" if machine else ""
    lines = [f"### Gate{where}: {headline(gate)}", ""]
    lines += [table_row(headings(subject)), table_row(["---"] * len(headings(subject)))]
    lines += [table_row(line) for line in _once(rows(gate))]
    lines += [""] + [f"- {escape(finding)}" for finding in gate.findings + gate.cautions]
    return "\n".join(lines) + "\n\n"


def write_json(gate: GateRecord, path: str | Path) -> None:
    """Write them to a file, all or nothing; RESULTS.md documents it."""
    atomic_write(path, json.dumps(gate.as_json(), indent=2).encode() + b"\n")
