"""The runs of a report: those of a history, those in files, and the one that is shown in full."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_duet.errors import DuetError
from pytest_duet.record.history import History
from pytest_duet.report import saved_runs
from pytest_duet.report.lenient import Record


@dataclass
class Gathered:
    """What there is to report on.

    :param runs: :class:`pytest_duet.report.saved_runs.SavedRun`, oldest first.
    :param shown: the one that is shown in full, with its data.
    :param remarks: ``[(name, text), ...]`` of files that could not be used, or not for everything.
    :param history: :class:`pytest_duet.record.history.History` that the runs are from; None if they are only files.
    :param by_path: the runs by the files that they were read from.
    """

    runs: list
    shown: object
    remarks: list = field(default_factory=list)
    history: object = None
    by_path: dict = field(default_factory=dict, repr=False)

    def at(self, path):
        """Return the run that was read from a file.

        :raises DuetError: where it was none.
        """
        if path.resolve() not in self.by_path:
            raise DuetError(f"{path} is no run that could be used.")
        return self.by_path[path.resolve()]

    @property
    def rows(self):
        """The ``extra_info`` of each benchmark of the shown run that has this suite's fields."""
        benches = Record(self.shown.data).records("benchmarks")
        return [bench.record("extra_info").data for bench in benches if saved_runs.is_ours(bench)]


def gather(files=(), storage=None, today=None, progress=lambda done, of: None):
    """Return the :class:`Gathered` of a history and of files beside it; the newest file is shown, else the newest run.

    :param files: paths of saved runs.
    :param storage: pytest-benchmark's folder; None for no history.
    :param today: the JSON of a run that was not saved yet; it is the one shown.
    :param progress: called with how many runs were read, and of how many.
    :raises DuetError: where there is nothing to show.
    """
    history = History(storage) if storage is not None else None
    reader = _Reader(history, progress, len(files))
    reader.read_files(files)
    named = list(reader.runs)
    if today is not None:
        named = [reader.add(saved_runs.from_data(saved_runs.cleaned(today), "this session", keep=True))]
        reader.today = named[0]
    if history is not None:
        reader.read_history()
    if not reader.runs:
        raise DuetError(_nothing(storage, reader.remarks))
    # Runs without a date stand before those that have one, in the order in which they were given.
    runs = sorted(reader.runs, key=lambda run: run.when)
    candidates = named or runs
    shown = max((run for run in candidates if any(point.ours for point in run.points)), key=_when, default=None)
    shown = shown or max(candidates, key=_when)
    if shown.data is None:
        (path,) = [path for path, run in reader.by_path.items() if run is shown]
        shown.data = saved_runs.parse(path.read_bytes())
    return Gathered(runs, shown, reader.remarks, history, reader.by_path)


def _when(run):
    return run.when


def _nothing(storage, remarks):
    if remarks:
        return "There is nothing to report on:\n" + "\n".join(f"  {name}: {text}" for name, text in remarks)
    return f"There is no run in {storage} yet. `pytest benchmarks --benchmark-autosave` saves one."


class _Reader:
    def __init__(self, history, progress, files):
        self.history, self.progress = history, progress
        self.names = history.names() if history else []
        self.total = files + len(self.names)
        self.runs, self.remarks, self.by_path, self.fingerprints = [], [], {}, {}
        self.today = None  # the run that is shown, and read once more where it was saved, too
        self.seen = set()  # resolved paths: a file may be named that is part of the history, too
        self.storage = history.directory.resolve() if history else None

    def read_files(self, paths):
        for path in paths:
            known = self.storage is not None and path.resolve().is_relative_to(self.storage)
            name = path.resolve().relative_to(self.storage).as_posix() if known else path.name
            self._read(path, name, self.history if known else None)

    def read_history(self):
        for name in self.names:
            self._read(self.history.directory / name, name, self.history, trend=True)
        self.remarks += [("gate/decisions.jsonl", text) for text in self.history.journal.damaged]

    def _read(self, path, name, history, trend=False):
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
            self.add((run, remark))
            if run.points:
                self.by_path[resolved] = run
        except (ValueError, OSError) as error:
            self.remarks.append((name, str(error)))

    def add(self, found):
        """Take a run and the remark on it; return the run, which is left out where it has no times."""
        run, remark = found
        if remark:
            self.remarks.append((run.name, remark))
        if not run.points:
            return run
        if run.fingerprint is not None:  # thousands of runs share a few
            key = repr(run.fingerprint)
            run.fingerprint = self.fingerprints.setdefault(key, run.fingerprint)
        self.runs.append(run)
        return run
