"""Where a session's verdicts go: the terminal, ``--gate-json``, and the summary page of GitHub's actions."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_duet.report import verdicts
from pytest_duet.report.additions import words
from pytest_duet.report.answer import Answer, answers
from pytest_duet.report.text_table import wrapped

if TYPE_CHECKING:
    from pytest_duet.plugin.gate import Gate


UNDECIDED = 8  # pytest's own exit codes end at 5


def set_exit_code(session: pytest.Session, gates: Iterable[Gate]) -> None:
    """End the session with ``UNDECIDED`` where nothing failed but comparisons that stayed open."""
    undecided = sum(gate.undecided for gate in gates)
    if session.exitstatus == pytest.ExitCode.TESTS_FAILED and session.testsfailed == undecided:
        session.exitstatus = UNDECIDED


def reason(report: pytest.TestReport) -> str:
    """Return why a test failed or was skipped, in a line."""
    said: Any = report.longrepr
    if isinstance(said, tuple):
        said = said[-1]
    crash = getattr(said, "reprcrash", None)
    return str(crash.message if crash else said).strip().partition("\n")[0].removeprefix("Failed: ")


def show(gate: Gate, terminalreporter: pytest.TerminalReporter, nodes: Iterable[str], with_verdicts: bool) -> None:
    """Show the rows of these benchmarks in the suite's tables, and what the gate says."""
    rows = [(gate.rows[node], gate.extras[node]) for node in nodes]
    hook = gate.config.hook
    if rows:
        hook.pytest_duet_tables(config=gate.config, terminalreporter=terminalreporter, rows=rows, machine=gate.machine)
    if with_verdicts:
        verdicts.show(terminalreporter, gate.record(), words(hook).subject, gate.config.getoption("duet_wide"))
    _show_answers(gate, terminalreporter)


def answers_of(gate: Gate) -> list[Answer]:
    """Return who is fastest, of each test."""
    rows = {gate.names[node]: (gate.rows[node], extra_info) for node, extra_info in gate.extras.items()}
    return answers(rows, words(gate.config.hook), gate.its_machine())


def _show_answers(gate: Gate, terminalreporter: pytest.TerminalReporter) -> None:
    """End with what the reader came for."""
    found = answers_of(gate)
    if not found:
        return
    terminalreporter.section(f"answer, {gate.machine}" if gate.machine else "answer", sep="-")
    for answer in found:
        first, *others = (wrapped(sentence) for sentence in answer.sentences)
        terminalreporter.write_line(first, bold=True)
        for sentence in others:
            terminalreporter.write_line(sentence)
    if not gate.options.active:
        terminalreporter.write_line(wrapped(words(gate.config.hook).hint))


def write(gate: Gate) -> None:
    """Write what the gate says for programs and for people who do not see the terminal."""
    if gate.options.json:
        verdicts.write_json(gate.record(), gate.options.json)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(verdicts.markdown(gate.record(), words(gate.config.hook).subject, gate.machine))
