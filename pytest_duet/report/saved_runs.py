"""Saved runs as a report takes them: for what they have, whoever wrote them; what cannot be used is named.

The gate is strict, since it judges. A report only shows: a run of another suite has its medians, and of a run whose
gate's part is damaged the rows are shown all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_duet.judge.median_interval import median_interval
from pytest_duet.record.history import History
from pytest_duet.record.metrics import MEMORY, Metric
from pytest_duet.record.row import Row
from pytest_duet.record.saved_run import Run, benchmarks, parse
from pytest_duet.report import reading

TIME = "seconds"  # the name of what a point has in any case, whatever its suite calls it


@dataclass(frozen=True, slots=True)
class Point:
    """One benchmark in one saved run: what is kept of it for the trends; what it does not say is None.

    :param benchmark: pytest-benchmark's ``fullname``.
    :param subject: the name in the table; the benchmark's own where it has no trials.
    :param seconds: median over the trials; pytest-benchmark's over the rounds where there are no trials.
    :param low: lower bound of the trials' median, ``high`` the upper one; the quartiles where there are no trials.
    :param confidence: of these bounds.
    :param metrics: the medians of all other metrics, by name.
    :param memory_source: what the memory is from, a key of the ledger.
    :param disturbed: how many trials were.
    :param ours: whether it has trials.
    """

    benchmark: str
    subject: str
    seconds: float
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    device: str = ""
    work: str = ""
    memory_source: str = ""
    disturbed: int = 0
    ours: bool = False

    @property
    def figures(self) -> dict[str, float | None]:
        """All metrics, the time first."""
        return {TIME: self.seconds, **self.metrics}


@dataclass
class ReportRun(Run):
    """A saved run of a report; only the one that is shown in full keeps its rows, data and what the gate said.

    :param state: in its history, as :meth:`History.state` has it, and ``why``; ``""`` outside of one.
    :param remark: what of it cannot be used, in words; ``""`` for nothing.
    """

    points: tuple[Point, ...] = ()
    state: str = ""
    why: str = ""
    remark: str = ""

    def lighten(self) -> None:
        """Forget what only a run needs that is shown in full: there may be 10,000 of them."""
        self.rows, self.data, self.gate, self.damaged = {}, {}, None, {}


def read(path: Path, name: str | None = None, history: History | None = None) -> ReportRun:
    """Return the run in a file.

    :param history: that it is part of, to say whether it counts.
    :raises ValueError: where it is no run; OSError where it cannot be read.
    """
    try:
        return from_data(parse(path.read_bytes()), name or path.name, history)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def from_data(data: dict[str, Any], name: str, history: History | None = None) -> ReportRun:
    """Return the same of a run that was parsed already."""
    run = ReportRun.to_show(name, data)
    run.rows = {name: row for name, row in run.rows.items() if row.trials}
    run.points = tuple(_points(run))
    if history:
        run.state, run.why = history.state(run)
    run.remark = "; ".join(_remarks(run))
    return run


def entries(run: Run) -> dict[str, reading.Entry]:
    """Return a run's rows, each with the ``extra_info`` that it stands in, by benchmark."""
    named = ((_text(bench.get("fullname")), bench) for bench in benchmarks(run.data))
    return {name: (run.rows[name], bench["extra_info"]) for name, bench in named if name in run.rows}


def learn(known: dict[str, Metric], row: Row) -> None:
    """Add the metrics that a row has values of; that of the trials' times is called ``TIME``."""
    time = time_metric(row)
    for name, its in row.metrics.items():
        known[TIME if name == time else name] = Metric(name, its.title, its.unit, its.better)


def time_metric(row: Row) -> str:
    """Return the name of the metric whose values are the trials' times; ``""`` where there is none."""
    its = tuple(trial.seconds for trial in row.trials)
    return next((name for name, metric in row.metrics.items() if metric.values == its), "")


def _remarks(run: ReportRun) -> Iterator[str]:
    if run.merged and run.merged.missing:
        yield f"no host measured {', '.join(run.merged.missing)}"
    if run.broken:
        yield f"damaged: {run.broken}"
    for benchmark, why in run.damaged.items():
        yield f"{benchmark} is damaged: {why}"
    if not run.points:
        yield "it holds no benchmark with a time"
        return
    total = len(run.data["benchmarks"])
    lost = total - len(run.points) - len(run.damaged)
    if lost:
        yield f"{lost} of its {total} benchmarks hold no time"
    if not all(point.ours for point in run.points):
        yield "it has benchmarks without trials: the medians of their rounds are shown"


def _points(run: Run) -> Iterator[Point]:
    for bench in benchmarks(run.data):
        name = _text(bench.get("fullname")) or _text(bench.get("name"))
        if not name or name in run.damaged:
            continue
        row, stats = run.rows.get(name), bench.get("stats")
        point = _of_row(name, row) if row else _of_stats(name, stats if isinstance(stats, dict) else {})
        if point:
            yield point


def _of_row(name: str, row: Row) -> Point | None:
    times = reading.times(row)
    seconds, bounds, time = reading.seconds(row), median_interval(times), time_metric(row)
    if seconds is None:
        return None
    low, high, confidence = (bounds.low, bounds.high, bounds.confidence) if bounds else (None, None, None)
    held = row.metrics.get(MEMORY)
    return Point(
        name,
        row.subject,
        seconds,
        low,
        high,
        confidence,
        {metric: _number(row.typical(metric)) for metric in row.metrics if metric != time},
        row.labels,
        row.device,
        row.work,
        held.source if held else "",
        row.disturbed_trials,
        True,
    )


def _of_stats(name: str, stats: dict[str, Any]) -> Point | None:
    seconds = _number(stats.get("median"))
    if not seconds or seconds < 0:
        return None
    return Point(name, name.rpartition("::")[2], seconds, _number(stats.get("q1")), _number(stats.get("q3")))


def _number(value: Any) -> float | None:
    sound = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < reading.LARGEST
    return value if sound else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
