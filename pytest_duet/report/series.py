"""Every benchmark over the saved runs: its points, the window that counts, where its level or the machine changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Any

from pytest_duet.judge.by_history import evidence
from pytest_duet.judge.change_points import level_changes
from pytest_duet.judge.prediction import expect
from pytest_duet.record.history import MIN_RUNS, WINDOW
from pytest_duet.record.lookback import differences
from pytest_duet.report.gather import Gathered
from pytest_duet.report.saved_runs import TIME, Point, ReportRun, time_metric

WINDOW_ALPHA = 0.025  # on either side: the band is to hold 95 % of further runs, benchmark by benchmark


@dataclass
class Series:
    """One benchmark over the runs that have it, oldest first.

    :param runs: their places among all runs; the points are one for each.
    :param breaks: the places of runs whose machine differs from that of the run before, and how.
    :param changes: the places of runs with which another level begins, and its ratio new/old.
    :param window: ``{"first": run, "last": run, "low": seconds, "high": seconds, "size": runs}``; None without one.
    """

    benchmark: str
    runs: list[int]
    points: list[Point]
    breaks: list[tuple[int, list[str]]]
    changes: list[tuple[int, float]]
    window: dict[str, Any] | None = None

    @property
    def subject(self) -> str:
        return self.points[-1].subject


def series(runs: Sequence[ReportRun]) -> list[Series]:
    """Return the series of all benchmarks, in the order in which the newest run has them, then older ones.

    :param runs: oldest first. Rejected ones take no part in the levels.
    """
    found: dict[str, list[tuple[int, Point]]] = {}
    for place in reversed(range(len(runs))):
        for point in runs[place].points:
            found.setdefault(point.benchmark, []).append((place, point))
    return [_series(name, its[::-1], runs) for name, its in found.items()]


def _series(benchmark: str, its: list[tuple[int, Point]], runs: Sequence[ReportRun]) -> Series:
    places, points = [place for place, _ in its], [point for _, point in its]
    machines: list[Any] = []  # of each run; one that does not say is taken for the one before it
    breaks = []
    for place in places:
        then, now = machines[-1] if machines else None, runs[place].fingerprint
        machines.append(then if now is None else now)
        if then is None or now is None or then is now:
            continue
        differs = differences(then, now)
        if differs:
            breaks.append((place, [f"{name}: {_short(old)} → {_short(new)}" for name, old, new in differs]))
        else:
            machines[-1] = then  # but for what a kernel's update moves, it is the same
    rejected = {place for place in places if runs[place].state == "rejected"}
    changes = _changes(its, rejected, [id(machine) for machine in machines])
    return Series(benchmark, places, points, breaks, changes)


def _changes(its: list[tuple[int, Point]], rejected: set[int], machines: list[int]) -> list[tuple[int, float]]:
    """Look for changes of level machine by machine: another machine's level is no change of the code."""
    by_machine: dict[int, list[tuple[int, float]]] = {}
    for (place, point), machine in zip(its, machines):
        if place not in rejected:
            by_machine.setdefault(machine, []).append((place, point.seconds))
    return sorted(
        (here[at][0], ratio)
        for here in by_machine.values()
        for at, ratio in level_changes([seconds for _, seconds in here])
    )


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def add_windows(found: list[Series], gathered: Gathered) -> None:
    """Add to every series the window that the gate would judge its next run by, and what it would expect of that."""
    rows, shown, history = gathered.shown.rows, gathered.shown, gathered.history
    if history is None or not shown.fingerprint:
        return
    try:
        back = history.look_back(rows, shown.fingerprint, WINDOW)
    except RecursionError:  # some conditions are nested deeper than can be compared
        return
    places = {run.name: place for place, run in enumerate(gathered.runs)}
    for its in found:
        row = rows.get(its.benchmark)
        if row is None:
            continue
        metric = replace(gathered.metrics[TIME], name=time_metric(row))
        window = zip(back.runs[its.benchmark], back.window(its.benchmark, metric.name))
        known = {name: evidence(earlier, metric) for name, earlier in window if name in places}
        logs = {name: [log(value) for value in values] for name, values in known.items() if values}
        if len(logs) >= MIN_RUNS:
            low, high = map(exp, expect(list(logs.values()), len(row.trials), WINDOW_ALPHA))
            at = sorted(places[name] for name in logs)
            its.window = {"first": at[0], "last": at[-1], "low": low, "high": high, "size": len(logs)}


def reference(runs: Sequence[ReportRun]) -> str | None:
    """Return the subject that the others are compared with over time: the one that most runs have; None for one."""
    seen = Counter(subject for run in runs for subject in {point.subject for point in run.points if point.ours})
    return min(seen, key=lambda name: (-seen[name], name)) if len(seen) > 1 else None


def ratios(runs: Sequence[ReportRun], to: str) -> list[list[float | None]]:
    """Return, for each run's points in order, seconds over those of subject ``to``; None where that is unknown.

    Both are of the same run, device and work.
    """
    found = []
    for run in runs:
        base = {_beside(point): point.seconds for point in run.points if point.subject == to and point.ours}
        found.append([_ratio(point.seconds, base.get(_beside(point))) if point.ours else None for point in run.points])
    return found


def _beside(point: Point) -> tuple[str, str]:
    """Return the device, and the benchmark's name without the subject's: what sets its workload apart."""
    return point.device, point.benchmark.replace(f"[{point.subject}", "[", 1)


def _ratio(over: float, under: float | None) -> float | None:
    return over / under if under else None
