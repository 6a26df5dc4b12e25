"""What people decided about saved runs: a journal that is only ever added to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pytest_duet.record.storage import lock

STATES = {"accept": "accepted", "reject": "rejected"}


@dataclass(frozen=True)
class Decision:
    """One line of the journal.

    :param action: ``"accept"`` or ``"reject"``.
    :param runs: names of runs; an accepted change begins with the first of them.
    :param restarts: benchmarks and metrics, ``"NAME METRIC"``, whose window starts anew with the first run.
    :param when: ISO 8601, UTC.
    """

    action: str
    runs: tuple[str, ...]
    restarts: tuple[str, ...] = ()
    when: str = ""
    who: str = ""
    why: str = ""

    @property
    def state(self) -> str:
        return STATES[self.action]

    @property
    def text(self) -> str:
        return " ".join(filter(None, [f"by {self.who}" if self.who else "", self.when[:10], self.why]))


class Journal:
    """Decisions in a file, which may not exist yet, a JSON object a line. Damaged lines are noted in ``damaged``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged: list[str] = []
        self.decisions = list(self._read())

    def _read(self) -> Iterator[Decision]:
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        import msgspec  # whoever only measures does not need it

        for number, line in enumerate(lines, start=1):
            try:
                decision = msgspec.json.decode(line, type=Decision)
                decision.state  # noqa: B018 - an unknown action is damage, too
                yield decision
            except (ValueError, KeyError, RecursionError):
                text = line[:80].decode(errors="replace")
                self.damaged.append(f"{self.path}, line {number}, is no decision: {text!r}.")

    def add(
        self, action: str, runs: Iterable[str], restarts: Iterable[str] = (), who: str = "", why: str = ""
    ) -> Decision:
        """Add a decision and return it; the last one about a run counts."""
        decision = Decision(action, tuple(runs), tuple(restarts), datetime.now(UTC).isoformat(), who, why)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with lock(self.path.parent), open(self.path, "ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":
                    file.write(b"\n")  # somebody was killed in the middle of a line
            file.write(json.dumps(vars(decision)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.decisions.append(decision)
        return decision

    def decision(self, run: str) -> Decision | None:
        """Return the last decision about a run."""
        return next((decision for decision in reversed(self.decisions) if run in decision.runs), None)

    def restarts(self, run: str) -> list[tuple[str, str]]:
        """Return the pairs of benchmark and metric whose window starts with this run."""
        decision = self.decision(run)
        if not decision or self.together(run)[:1] != [run]:
            return []
        pairs = (restart.rpartition(" ") for restart in decision.restarts if " " in restart)
        return [(name, metric) for name, _, metric in pairs]

    def together(self, run: str) -> list[str]:
        """Return the runs that were accepted together with this one, itself included, and were not decided on since."""
        last = self.decision(run)
        if not last or last.action != "accept":
            return []
        return [name for name in last.runs if self.decision(name) is last]
