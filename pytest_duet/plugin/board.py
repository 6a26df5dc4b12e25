"""What the subjects of a session's rounds are doing, while they do it.

Where somebody watches a terminal, a table that is redrawn between two rounds, never while one is timed; elsewhere, as
in CI's log, a line now and then; with ``-q``, nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_duet.plugin.progress import Progress

QUIET_SECONDS = 10  # between two lines of a log


@dataclass
class Line:
    """What is known of one subject: which trial it is in or had last, what it said, how its trials ended."""

    trial: int = 0
    doing: str = ""
    ended: str = ""


class Board:
    """Told by :class:`pytest_duet.trials.rounds.Rounds` what begins and ends, and by the runners what happens.

    :param names: of the subjects.
    :param trials: how many each has; None where nobody knows.
    """

    def __init__(self, progress: Progress, names: Sequence[str], trials: int | None) -> None:
        self._progress, self._trials = progress, trials
        self._lines = {name: Line() for name in names}
        self._began: float | None = None  # the first trial did
        self._done = self._said_at = 0.0

    def tell(self, name: str, text: str) -> None:
        """Show what a subject is doing."""
        self._lines[name].doing = text
        self._draw()

    def begin(self, name: str, number: int) -> None:
        """Learn that a subject's trial begins; number 0 is what comes before the first."""
        if number and self._began is None:
            self._began = self._said_at = time.monotonic()
        self._lines[name].trial = number
        self._draw()

    def end(self, name: str, number: int, how: str) -> None:
        """Learn how it ended, in words."""
        self._done += number > 0
        its = self._lines[name]
        its.doing, its.ended = "", how
        self._draw()
        if number and time.monotonic() - self._said_at > QUIET_SECONDS and self._progress.logs:
            self._said_at = time.monotonic()
            self._progress.say("; ".join(filter(None, [f"{name}: {self._trial(number)}, {how}", self._left()])))

    def close(self) -> None:
        """Take the table away."""
        self._progress.leave_block()

    def _left(self) -> str:
        """Return how long it will take, in words, if it goes on like this."""
        rest = (self._trials or 0) * len(self._lines) - self._done
        if self._began is None or not self._done or rest <= 0:
            return ""
        seconds = (time.monotonic() - self._began) / self._done * rest
        return f"some {seconds / 60:.0f} min left" if seconds >= 120 else f"some {seconds:.0f} s left"

    def _trial(self, number: int) -> str:
        return f"trial {number}" + (f" of {self._trials}" if self._trials else "")

    def _draw(self) -> None:
        if not self._progress.live:
            return
        from rich.table import Table

        table = Table(box=None, padding=(0, 3, 0, 0), show_header=False, caption=self._left(), caption_justify="left")
        for name, its in self._lines.items():
            had = f"{self._trial(its.trial)}: {its.ended}" if its.trial and its.ended else its.ended
            table.add_row(name, its.doing or had)
        self._progress.show_block(table)
