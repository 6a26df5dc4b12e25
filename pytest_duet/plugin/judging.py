"""Judges a session: what its gate has gathered goes to the statistics, and comes back as verdicts, or as how many more
trials it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_duet.judge import by_history, by_pairs, calibration, leaks, more_trials, work
from pytest_duet.judge.verdict import void_where_exact_changed
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.history import MIN_RUNS
from pytest_duet.record.metrics import MEMORY

if TYPE_CHECKING:
    from pytest_duet.plugin.gate import Gate
    from pytest_duet.record.row import Row


@dataclass(frozen=True)
class Judged:
    """A session's verdicts.

    :param findings: what else there is to say of the baseline, a sentence each.
    :param cautions: and of the margins.
    """

    comparisons: list[Comparison]
    findings: list[str]
    cautions: list[str]


def judge_session(gate: Gate) -> Judged:
    """Judge every benchmark that was chosen, also those that have no row, which is a verdict too."""
    sound = [node for node in gate.margins if node in gate.rows and node not in gate.outcomes]
    rows = {gate.name_of(node): gate.rows[node] for node in sound}
    found, findings, cautions, before = (_by_pairs if gate.options.against else _by_history)(gate, rows)
    found = leaks.with_leaks(found, rows, before)
    changed = {name: what for name, row in rows.items() if (what := work.changes(row, before.get(name)))}
    found = work.with_work(found, gate.metrics, changed, gate.options.work == "fail")
    cautions += [f"{row.subject} leaks: {row.leak}." for row in rows.values() if row.leak]
    cautions += [
        f"{row.subject} replaces {', '.join(row.trials[0].clocks_replaced)}; it was timed by the clock from before."
        for row in rows.values()
        if row.trials and row.trials[0].clocks_replaced
    ]
    missing = [node for node in gate.margins if node not in sound]
    found += [_without_row(gate, node, metric) for node in missing for metric in gate.expected(node)]
    found = void_where_exact_changed(found, gate.metrics)
    return Judged(found, findings, cautions + calibration.cautions(found, gate.calibrated(rows), gate.metrics))


# Either returns comparisons, findings, cautions, and the rows that those given were compared with.
Found = tuple[list[Comparison], list[str], list[str], dict[str, "Row | None"]]


def _by_pairs(gate: Gate, rows: dict[str, Row]) -> Found:
    known = gate.calibrated(rows)
    found = by_pairs.judge_session(rows, gate.family, gate.options.max_trials, known)
    before = {name: row.against.row if row.against else None for name, row in rows.items()}
    return found, [], calibration.unknown(found, known), before


def _by_history(gate: Gate, rows: dict[str, Row]) -> Found:
    back = gate.look_back(rows)
    known = gate.settling.known(rows, back)
    found = by_history.judge_session(rows, gate.family, back, MIN_RUNS, gate.options.max_trials, known)
    windows = {name: back.window(name, MEMORY) for name in rows}
    before = {name: window[0] if window else None for name, window in windows.items()}
    return found, back.findings(gate.was_asked, gate.family.margins), [], before


def _without_row(gate: Gate, node: str, metric: str) -> Comparison:
    outcome, why = gate.outcomes.get(node, ("did not run", "the gate can judge nothing"))
    verdict = Verdict.MISSING if outcome == "skipped" else Verdict.VOID
    note = f"the benchmark itself {outcome}: {why}"
    return Comparison(gate.name_of(node), gate.subjects[node], metric, verdict, note=note)


def worth_more(gate: Gate, rows: Mapping[str, Row]) -> list[str]:
    """Return the benchmarks whose answers are open, and which the budget has time for another paired trial of.

    :param rows: of paired trials so far, by node id; the gate keeps them, for somebody may stop the session now.
    """
    gate.rows.update(rows)
    costs = {}
    for node, row in rows.items():
        name = gate.name_of(node)
        known = gate.calibrated({name: row})
        to_go = more_trials.trials_to_go(name, row, gate.family, gate.options.max_trials, known)
        if to_go:
            each = row.against.last_seconds if row.against else 0.0
            costs[node] = (each, each * to_go)
    return list(costs) if gate.budget is None else gate.budget.share(costs)


def too_few_trials(gate: Gate) -> list[str]:
    """Return a sentence where ``--max-trials`` can give no answer."""
    return more_trials.too_few(gate.family, gate.options.max_trials) if gate.options.against else []


def seconds_to_come(gate: Gate, pair_seconds: float) -> float:
    """Return what the paired trials of all benchmarks may take, if all goes well and no budget ends them sooner."""
    trials = more_trials.least_trials(gate.family, gate.options.max_trials)
    seconds = len(gate.margins) * trials * pair_seconds
    return min(seconds, gate.options.budget_seconds or seconds)
