"""What ``--gate`` measures again, because history leaves it open: today's code beside that of accepted runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from pytest_duet.errors import DuetError
from pytest_duet.judge import by_history, calibration, more_trials, settled
from pytest_duet.judge.by_pairs import Calibrations
from pytest_duet.record.history import MIN_RUNS, History
from pytest_duet.record.lookback import Lookback
from pytest_duet.record.row import Again, Row

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_duet.judge.verdict import Family
    from pytest_duet.plugin.budget import Budget
    from pytest_duet.record.calibrations import Calibrated
    from pytest_duet.trials.other_side import Other

SECONDS = 150.0  # for what is measured again of one benchmark, where there is no --budget
WantsMore = Callable[[Row], bool]


class Measure(Protocol):
    """What a suite brings: paired trials of the benchmark, with another side, for as long as more are wanted."""

    def __call__(self, other: Other, wants_more: WantsMore) -> Row: ...


class Settling:
    """What is known of one session's benchmarks beside history, and what of them is measured again.

    :param storage: where the accepted runs are.
    :param calibrated: what ``calibrate --against`` found on this machine.
    :param say: called with a line of text before anything is measured again.
    """

    def __init__(
        self,
        storage: Path,
        family: Family,
        max_trials: int,
        calibrated: list[Calibrated],
        budget: Budget | None,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        self._say = say
        self._history, self._family, self._max_trials = History(storage), family, max_trials
        self._calibrated, self._budget = calibrated, budget

    def known(self, rows: dict[str, Row], back: Lookback) -> Calibrations:
        """Return how the paired trials of these benchmarks scatter: as accepted runs saw it, else as calibrated."""
        found = {}
        for name, row in rows.items():
            margins = self._family.margins[name]
            for metric in (metric for metric in self._family.judged if metric.turns and metric.name in margins):
                window = back.unchanged(name, metric.name)
                its = calibration.learned(name, window, metric, self._family, self._max_trials)
                alike = [one for one in self._calibrated if (one.subject, one.metric) == (row.subject, metric.name)]
                if its or alike:
                    found[name, metric.name] = its or max(alike, key=lambda one: one.variation)
        return found

    def measure_again(
        self, name: str, row: Row, back: Lookback, measure: Measure, repository: str | None = None
    ) -> Row:
        """Return a benchmark's row, with what was measured again where history leaves its time open.

        :param back: what history has to say of it.
        :param repository: as for :func:`pytest_duet.trials.other_side.open_other`.
        """
        margins = self._family.margins[name]
        for metric in (metric for metric in self._family.judged if metric.turns and metric.name in margins):
            margin, window = margins[metric.name], back.window(name, metric.name)
            one = by_history.judge(name, row, metric, margin, window, MIN_RUNS, self._family.alpha(metric))
            if settled.is_left_open(one):
                known = self.known({name: row}, back)
                ends = back.ends(name, metric.name)
                return replace(row, again=self._beside(ends, name, row, known, measure, repository))
        return row

    def _beside(
        self,
        ends: list[tuple[str, Row]],
        name: str,
        row: Row,
        known: Calibrations,
        measure: Measure,
        repository: str | None,
    ) -> tuple[Again, ...]:
        from pytest_duet.trials.other_side import open_other

        planned: dict[str, Again] = {}  # by revision: one that is the newest and the oldest is measured once
        for run, earlier in ends:
            revision = self._history.read(run).revision
            planned.setdefault(revision, Again(run, revision, why_not=_why_not(revision, earlier, row)))
        began, done = time.monotonic(), []
        for number, each in enumerate(planned.values(), 1):
            until = began + SECONDS * number / len(planned)

            def wants_more(paired: Row, until: float = until) -> bool:
                others = len(planned)
                if not more_trials.is_open(name, paired, self._family, self._max_trials, known, others):
                    return False
                took = paired.against.last_seconds if paired.against else 0.0
                return self._budget.allows(took) if self._budget else time.monotonic() + took <= until

            try:
                if not each.why_not:
                    limit = "" if self._budget else f", {SECONDS / len(planned):.0f} s at the most"
                    self._say(
                        f"{row.subject}: history leaves its time open; taking turns with {each.run}'s code{limit}"
                    )
                    with open_other(f"git:{each.revision}", repository) as other:
                        each = replace(each, row=_slim(measure(other, wants_more)))
            except DuetError as error:
                each = replace(each, why_not=str(error).partition("\n")[0])
            done.append(each)
        return tuple(done)


def _why_not(revision: str, earlier: Row, today: Row) -> str:
    """Return why an accepted run's code cannot be run as it was, in a sentence; ``""`` if it can."""
    if not revision:
        return "its code is in no commit."
    then, now = (dict(row.versions, python=row.python) for row in (earlier, today))
    changed = [f"{name} {then.get(name)}" for name in then | now if then.get(name) != now.get(name)]
    if changed:
        return f"it ran with {', '.join(changed)}; make an environment with these, and take turns: --against ENV."
    return ""


def _slim(row: Row) -> Row:
    """Return a row of paired trials without their rounds, of which the blocks tell all that is judged."""
    against = row.against and replace(row.against, row=_slim(row.against.row))
    return replace(row, against=against, trials=tuple(replace(trial, rounds=()) for trial in row.trials))
