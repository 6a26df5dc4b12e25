"""What history has to say about one session: the windows to judge by, and what is missing between then and now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from pytest_duet.record.row import Row

MEMORY_SHARE = 0.01  # a kernel's update moves the memory that it reports by less
Difference = tuple[str, Any, Any]  # a field, then, now


class Lookback:
    """What history has to say about a session's rows.

    :ivar windows: the earlier rows of each benchmark, newest first.
    :ivar runs: the names of the runs that these are from.
    :ivar otherwise: for benchmarks with rows under other conditions, the newest such run and what differs.
    :ivar elsewhere: the same for whole runs, whose machine was another.
    :ivar known: the benchmarks of the newest accepted runs, with a row of each.
    :ivar seen: how many runs those are.
    :ivar acknowledged: whether somebody accepted one of them, and thereby the removal of benchmarks it lacks.
    :ivar damaged: what could not be read, in words.
    """

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self.rows = rows
        self.windows: dict[str, list[Row]] = {name: [] for name in rows}
        self.runs: dict[str, list[str]] = {name: [] for name in rows}
        self.otherwise: dict[str, tuple[str, list[Difference]]] = {}
        self.elsewhere: tuple[str, list[Difference]] | None = None
        self.known: dict[str, Row] = {}
        self.damaged: list[str] = []
        self.seen, self.acknowledged = 0, False
        self._ends: dict[tuple[str, str], int] = {}  # how much of a window counts, where a change was acknowledged

    def take(self, run: str, rows: Mapping[str, Row], size: int) -> None:
        """Take a run's rows into the windows that are not full yet."""
        if self.seen < size:
            self.seen += 1
            if not self.acknowledged:
                self.known.update(rows)
        for name, row in rows.items():
            if name not in self.rows or len(self.windows[name]) == size:
                continue
            differs = differences(row.conditions, self.rows[name].conditions)
            if differs:
                self.otherwise.setdefault(name, (run, differs))
            else:
                self.windows[name].append(row)
                self.runs[name].append(run)

    def end_window(self, name: str, metric: str) -> None:
        """Let the window of one metric of one benchmark end with the rows taken so far."""
        self._ends.setdefault((name, metric), len(self.windows.get(name, ())))

    def full(self, size: int) -> bool:
        """Tell whether older runs can add nothing."""
        return self.seen >= size and all(len(window) == size for window in self.windows.values())

    def window(self, name: str, metric: str) -> list[Row]:
        """Return the earlier rows that one metric of one benchmark is to be judged by, newest first."""
        return self.windows[name][: self._ends.get((name, metric))]

    def ends(self, name: str, metric: str) -> list[tuple[str, Row]]:
        """Return the newest and the oldest of those rows, each with its run's name; one row is both."""
        window = list(zip(self.runs[name], self.window(name, metric)))
        return [window[0], window[-1]][: len(window)] if window else []

    def unchanged(self, name: str, metric: str) -> list[Row]:
        """Return those rows but the one whose change somebody acknowledged."""
        window = self.window(name, metric)
        return window[:-1] if self._ends.get((name, metric)) == len(window) else window

    def findings(self, was_asked: Callable[[str, str], bool], chosen: Collection[str]) -> list[str]:
        """Return, a sentence each, what is missing between then and now.

        :param was_asked: tells of a subject and its benchmark whether this session was asked for it; if not, it has
            not vanished.
        :param chosen: the names of this session's benchmarks, those that failed or were skipped included.
        """
        found = [f"Left out: {why}" for why in self.damaged]
        for name, row in self.known.items():
            alike = [today for today, other in self.rows.items() if other.workload == row.workload]
            if alike and name not in chosen and was_asked(row.subject, name):
                found.append(self._vanished(name, row, alike))
        if self.elsewhere and not self.seen:
            run, differs = self.elsewhere
            found.append(f"Another fingerprint: no accepted run is from this machine. Since {run}: {_spell(differs)}.")
        for name, (run, differs) in self.otherwise.items():
            if not self.windows[name]:
                found.append(f"Other conditions: {name}, since {run}: {_spell(differs)}.")
        return found

    def _vanished(self, name: str, row: Row, alike: list[str]) -> str:
        new = [today for today in alike if today not in self.known and self.rows[today].subject == row.subject]
        text = f"Vanished: {name} was in at least one of the last {self.seen} accepted runs, and is not in this one. "
        if new:
            return text + f"Renamed? Then put into pytest.ini, under duet_gate_aliases: {name} -> {new[0]}"
        return text + "Removed on purpose? Then accept this run: python -m pytest_duet history accept latest"


def differences(then: Any, now: Any, prefix: str = "") -> list[Difference]:
    """Return where two fingerprints or conditions differ, nested fields by dotted names."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        return [] if then == now or _same_memory(prefix, then, now) else [(prefix or "all", then, now)]
    names = [*then, *(name for name in now if name not in then)]
    return [
        found
        for name in names
        for found in differences(then.get(name), now.get(name), f"{prefix}.{name}" if prefix else name)
    ]


def _same_memory(name: str, then: Any, now: Any) -> bool:
    if name != "memory_bytes" or not (isinstance(then, (int, float)) and isinstance(now, (int, float))):
        return False
    return abs(then - now) <= MEMORY_SHARE * max(then, now)


def _spell(differs: list[Difference]) -> str:
    return ", ".join(f"{name} from {then!r} to {now!r}" for name, then, now in differs)
