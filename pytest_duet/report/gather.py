"""The runs of a report: those of a history, those in files, and the one that is shown in full."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_duet.errors import DuetError
from pytest_duet.record.history import History
from pytest_duet.record.metrics import DEFAULT, Metric
from pytest_duet.record.saved_run import cleaned
from pytest_duet.report import saved_runs
from pytest_duet.report.reading import Entry
from pytest_duet.report.saved_runs import TIME, ReportRun

DEEPEST = 20  # levels of a fingerprint that can be compared
Source = tuple[str, History | None]  # a file's name in the report, and the history that it is part of


@dataclass
class Gathered:
    """What there is to report on.

    :param history: that the runs are from; None if they are only files.
    :param runs: oldest first.
    :param remarks: names and texts of files that could not be used, or not for everything.
    :param by_path: the runs by the files that they were read from, links resolved.
    :param metrics: of all runs, by name; ``TIME`` is the first.
    :param fingerprints: of all runs, each once, by their text.
    :ivar shown: the run that is shown in full.
    """

    history: History | None
    runs: list[ReportRun] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    by_path: dict[Path, ReportRun] = field(default_factory=dict, repr=False)
    metrics: dict[str, Metric] = field(default_factory=lambda: {TIME: DEFAULT[0]})
    shown: ReportRun = field(init=False)
    fingerprints: dict[str, dict[str, Any] | None] = field(default_factory=dict, repr=False)

    def at(self, path: Path) -> ReportRun:
        """Return the run that was read from a file.

        :raises DuetError: where it was none.
        """
        if path.resolve() not in self.by_path:
            raise DuetError(f"{path} is no run that could be used.")
        return self.by_path[path.resolve()]

    @property
    def rows(self) -> dict[str, Entry]:
        """The rows of the shown run by benchmark, each with the ``extra_info`` that it stands in."""
        return saved_runs.entries(self.shown)

    def take(self, run: ReportRun, path: Path | None = None) -> None:
        """Take a run and the remark on it; it is left out where it has no times."""
        if run.remark:
            self.remarks.append((run.name, run.remark))
        for row in run.rows.values():
            saved_runs.learn(self.metrics, row)
        if not run.points:
            return
        key = repr(run.fingerprint)
        if key not in self.fingerprints:  # thousands of runs share a few
            self.fingerprints[key] = None if _is_deeper(run.fingerprint, DEEPEST) else run.fingerprint
        run.fingerprint = self.fingerprints[key]
        self.runs.append(run)
        if path:
            self.by_path[path] = run


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
    found = Gathered(History(storage) if storage is not None else None)
    named = {path.resolve(): path for path in files}
    sources = {**{its: _named(its, path, found.history) for its, path in named.items()}, **_of_history(found.history)}
    own = saved_runs.from_data(cleaned(today), "this session") if today is not None else None
    if own:
        found.take(own)
    for done, (path, (name, history)) in enumerate(sources.items(), start=1):
        progress(done, len(sources))
        try:
            run = saved_runs.read(path, name, history)
        except (ValueError, OSError) as error:
            found.remarks.append((name, str(error)))
            continue
        if own and run.when == own.when:  # it was saved, too
            own.name, own.state, own.why = run.name, run.state, run.why
        elif run.shard and path not in named:  # its rows are those of the run that it was merged to
            shard = f"shard {run.shard.number}/{run.shard.of} of {run.shard.run}"
            found.remarks.append((name, f"left out: it is {shard}; `history merge` makes the run"))
        else:
            found.take(run, path)
            run.lighten()
    if found.history:
        found.remarks += [("gate/decisions.jsonl", text) for text in found.history.journal.damaged]
    if not found.runs:
        raise DuetError(_nothing(storage, found.remarks))
    candidates = [own] if own else [run for path, run in found.by_path.items() if path in named]
    # Runs without a date stand before those that have one, in the order in which they were given.
    found.runs.sort(key=lambda run: run.when)
    found.shown = _newest(candidates or found.runs)
    if not found.shown.data:
        (path,) = [path for path, run in found.by_path.items() if run is found.shown]
        whole = saved_runs.read(path)
        found.shown.rows, found.shown.data, found.shown.gate = whole.rows, whole.data, whole.gate
    return found


def _named(resolved: Path, path: Path, history: History | None) -> Source:
    root = history.directory.resolve() if history else None
    if root and resolved.is_relative_to(root):
        return resolved.relative_to(root).as_posix(), history
    return path.name, None


def _of_history(history: History | None) -> dict[Path, Source]:
    return {(history.directory / name).resolve(): (name, history) for name in history.names()} if history else {}


def _newest(runs: list[ReportRun]) -> ReportRun:
    with_trials = [run for run in runs if any(point.ours for point in run.points)]
    return max(with_trials or runs, key=lambda run: run.when)


def _nothing(storage: Path | None, remarks: list[tuple[str, str]]) -> str:
    if remarks:
        return "There is nothing to report on:\n" + "\n".join(f"  {name}: {text}" for name, text in remarks)
    return f"There is no run in {storage} yet. `pytest --benchmark-autosave` saves one."


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(its, levels - 1) for its in inner)
