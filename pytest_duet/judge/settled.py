"""What history leaves open is measured again, turn by turn with the code of accepted runs, and that verdict counts.

History only chooses what is measured again. The trials are new ones, so whatever made it choose is not in them, and a
false alarm is as improbable as theirs alone: the comparisons that were measured again have their part of the family's
error, those that history decides have theirs. Simulated (tests/instrument/test_settled.py): of 800 sessions with four
benchmarks slower by the margin, 28 accused one, where the code of two could be run again; 29, where that of all could
and history saw 15 % more than there was.

The last accepted run tells what today's change did. The oldest one of the window tells what many small ones did since,
of which each was within the margin. Either may accuse, with half of the error; clean is what both agree about.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_duet.judge import by_pairs
from pytest_duet.judge.by_pairs import Calibrations
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.margins import Margin
from pytest_duet.record.metrics import Metric
from pytest_duet.record.row import Again, Row

GRAVEST_FIRST = (Verdict.REGRESSED, Verdict.MISSING, Verdict.INCONCLUSIVE, Verdict.IMPROVED, Verdict.CLEAN)
HEX_DIGITS = 10  # of a commit, enough to find it


def is_left_open(one: Comparison) -> bool:
    """Tell whether history's verdict is to be asked again of the code that it knows."""
    return one.verdict is not Verdict.CLEAN and bool(one.runs)


def was_measured(row: Row, metric: Metric) -> bool:
    """Tell whether a row has trials that settle a metric."""
    return metric.turns and any(each.row for each in row.again)


def judge(
    by_history: Comparison, row: Row, metric: Metric, margin: Margin, max_trials: int, known: Calibrations, alpha: float
) -> Comparison:
    """Return the comparison that counts, where there are trials that settle it.

    :param by_history: what history alone says.
    :param known: what unchanged code did on this machine, trial by trial.
    :param alpha: of this comparison, on each side.
    """
    found = []
    for each in row.again:
        if each.row:
            share = alpha / len(row.again)
            one = by_pairs.judge(by_history.benchmark, each.row, metric, margin, max_trials, known, share)
            found.append(one.but(beside=each.revision[:HEX_DIGITS], runs=by_history.runs))
    gravest = min(found, key=lambda one: GRAVEST_FIRST.index(one.verdict))
    return gravest.but(note=" ".join(filter(None, [gravest.note, *_notes(by_history, row.again)])))


def alone(by_history: Comparison, row: Row, metric: Metric) -> Comparison:
    """Return history's own comparison, with the reason why nothing was measured again."""
    if not (metric.turns and row.again):
        return by_history
    return by_history.but(note=" ".join(filter(None, [by_history.note, *_missed(row.again)])))


def _notes(by_history: Comparison, again: Sequence[Again]) -> list[str]:
    interval = "" if by_history.low is None else f" ({by_history.low:.3f} to {by_history.high:.3f})"
    return [f"Measured again, for history alone says: {by_history.verdict}{interval}.", *_missed(again)]


def _missed(again: Sequence[Again]) -> list[str]:
    return [f"Not measured again beside {each.run}: {each.why_not}" for each in again if each.row is None]
