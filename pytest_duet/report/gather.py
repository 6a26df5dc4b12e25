"""The runs of a report: those of a history, those in files, and the one that is shown in full."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_duet.errors import DuetError
from pytest_duet.record.history import History
from pytest_duet.report import saved_runs
from pytest_duet.report.reading import rows_of
from pytest_duet.report.saved_runs import SavedRun


@dataclass
class Gathered:
    """What there is to report on.

    :param runs: oldest first.
    :param shown: the one that is shown in full, with its data.
    :param remarks: names and texts of files that could not be used, or not for everything.
    :param history: that the runs are from; None if they are only files.
    :param by_path: the runs by the files that they were read from.
    """

    runs: list[SavedRun]
    shown: SavedRun
    remarks: list[tuple[str, str]] = field(default_factory=list)
    history: History | None = None
    by_path: dict[Path, SavedRun] = field(default_factory=dict, repr=False)

    def at(self, path: Path) -> SavedRun:
        """Return the run that was read from a file.

        :raises DuetError: where it was none.
        """
        if path.resolve() not in self.by_path:
            raise DuetError(f"{path} is no run that could be used.")
        return self.by_path[path.resolve()]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The ``extra_info`` of each benchmark of the shown run that has trials."""
        return [row.data for row in rows_of(self.shown)]


def gather(
    files: Iterable[Path] = (),
    storage: Path | None = None,
    today: dict[str, Any] | None = None,
    progress: Callable[[int, int], object] = lambda done, of: None,
) -> Gathered:
    """Return what a history and files beside it hold; the newest file is shown, else the newest run.

    :param files: paths of saved runs.
    :param storage: pytest-benchmark's folder; None for no history.
    :param today: the JSON of a run that was not saved yet; it is the one shown.
    :param progress: called with how many runs were read, and of how many.
    :raises DuetError: where there is nothing to show.
    """
    history, files = History(storage) if storage is not None else None, list(files)
    reader = _Reader(history, progress, len(files))
    reader.read_files(files)
    named = list(reader.runs)
    if today is not None:
        named = [reader.add(*saved_runs.from_data(saved_runs.cleaned(today), "this session", keep=True))]
        reader.today = named[0]
    if history is not None:
        reader.read_history(history)
    if not reader.runs:
        raise DuetError(_nothing(storage, reader.remarks))
    # Runs without a date stand before those that have one, in the order in which they were given.
    runs = sorted(reader.runs, key=lambda run: run.when)
    candidates = named or runs
    shown = max([run for run in candidates if any(point.ours for point in run.points)] or candidates, key=_when)
    if shown.data is None:
        (path,) = [path for path, run in reader.by_path.items() if run is shown]
        shown.data = saved_runs.parse(path.read_bytes())
    return Gathered(runs, shown, reader.remarks, history, reader.by_path)


def _when(run: SavedRun) -> str:
    return run.when


def _nothing(storage: Path | None, remarks: list[tuple[str, str]]) -> str:
    if remarks:
        return "There is nothing to report on:\n" + "\n".join(f"  {name}: {text}" for name, text in remarks)
    return f"There is no run in {storage} yet. `pytest --benchmark-autosave` saves one."


class _Reader:
    def __init__(self, history: History | None, progress: Callable[[int, int], object], files: int):
        self.history, self.progress = history, progress
        self.names: list[str] = history.names() if history else []
        self.total = files + len(self.names)
        self.runs: list[SavedRun] = []
        self.remarks: list[tuple[str, str]] = []
        self.by_path: dict[Path, SavedRun] = {}
        self.fingerprints: dict[str, dict[str, Any]] = {}
        self.today: SavedRun | None = None  # the run that is shown, and read once more where it was saved, too
        self.seen: set[Path] = set()  # resolved: a file may be named that is part of the history, too
        self.storage = history.directory.resolve() if history else None

    def read_files(self, paths: Iterable[Path]) -> None:
        for path in paths:
            known = self.storage is not None and path.resolve().is_relative_to(self.storage)
            name = path.resolve().relative_to(self.storage).as_posix() if self.storage and known else path.name
            self._read(path, name, self.history if known else None)

    def read_history(self, history: History) -> None:
        for name in self.names:
            self._read(history.directory / name, name, history, trend=True)
        self.remarks += [("gate/decisions.jsonl", text) for text in history.journal.damaged]

    def _read(self, path: Path, name: str, history: History | None, trend: bool = False) -> None:
        resolved = path.resolve()
        if resolved in self.seen:
            return
        self.seen.add(resolved)
        self.progress(len(self.seen), self.total)
        try:
            run, remark = saved_runs.read(path, name, history)
            if self.today and run.when == self.today.when:
                self.today.name, self.today.state, self.today.why = run.name, run.state, run.why
                return
            if trend and run.shard:  # its rows are those of the run that it was merged to
                self.remarks.append((name, f"left out: it is shard {run.shard}; `history merge` makes the run"))
                return
            self.add(run, remark)
            if run.points:
                self.by_path[resolved] = run
        except (ValueError, OSError) as error:
            self.remarks.append((name, str(error)))

    def add(self, run: SavedRun, remark: str) -> SavedRun:
        """Take a run and the remark on it; return the run, which is left out where it has no times."""
        if remark:
            self.remarks.append((run.name, remark))
        if not run.points:
            return run
        if run.fingerprint is not None:  # thousands of runs share a few
            key = repr(run.fingerprint)
            run.fingerprint = self.fingerprints.setdefault(key, run.fingerprint)
        self.runs.append(run)
        return run
