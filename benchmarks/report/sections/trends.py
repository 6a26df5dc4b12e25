"""Every benchmark over the saved runs: its points, the window that counts, where its level or the machine changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log
from statistics import geometric_mean

import altair as alt

from benchmarks.judge.change_points import change_points
from benchmarks.judge.lookback import differences
from benchmarks.judge.metrics import values
from benchmarks.judge.prediction import expect
from benchmarks.judge.saved_run import ROW
from benchmarks.judge.shape import check
from benchmarks.report.charts import chart, framework_colour
from benchmarks.report.glyphs import sparkline
from benchmarks.report.lenient import Record
from benchmarks.report.saved_runs import is_ours

WINDOW = 20  # runs, as --gate-window
LEAST_WINDOW = 8  # runs that the gate wants before it judges
WINDOW_ALPHA = 0.025  # on either side: the band is to hold 95 % of further runs, benchmark by benchmark
GLYPHS = 20  # runs that a sparkline shows


@dataclass
class Series:
    """One benchmark over the runs that have it, oldest first.

    :param runs: their places among all runs.
    :param points: :class:`benchmarks.report.saved_runs.Point`, one for each.
    :param rejected: places of those that somebody rejected, which take no part in the levels.
    :param breaks: ``[(run, what changed), ...]``: the places of runs whose machine is another than the run's before.
    :param changes: places of the runs with which another level begins.
    :param window: ``{"first": run, "last": run, "low": seconds, "high": seconds, "size": runs}``; None without one.
    """

    benchmark: str
    runs: list
    points: list
    rejected: set
    breaks: list
    changes: list
    window: dict | None = None

    @property
    def framework(self):
        return self.points[-1].framework

    def level_change(self, place):
        """Return new/old of the levels on either side of a change: of the means of logarithms between changes."""
        at = self.runs.index(place)
        bounds = sorted(
            {0, *(self.runs.index(run) for run in (*self.changes, *(run for run, _ in self.breaks))), len(self.runs)}
        )
        before = max(bound for bound in bounds if bound < at)
        after = min(bound for bound in bounds if bound > at)
        return self._level(at, after) / self._level(before, at)

    def _level(self, start, stop):
        known = list(zip(self.runs, self.points))[start:stop]
        return geometric_mean(point.seconds for place, point in known if place not in self.rejected)

    def summary(self):
        """Return the line of this series in the section's table."""
        last = self.changes[-1] if self.changes else None
        return {
            "benchmark": self.benchmark,
            "framework": self.framework,
            "runs": len(self.runs),
            "newest": self.points[-1].seconds,
            "window": self.window,
            "change": last,
            "change_ratio": self.level_change(last) if last is not None else None,
            "breaks": len(self.breaks),
            "glyphs": sparkline([point.seconds for point in self.points[-GLYPHS:]]),
        }


def series(runs):
    """Return the :class:`Series` of all benchmarks, in the order in which the newest run has them, then older ones.

    :param runs: :class:`benchmarks.report.saved_runs.SavedRun`, oldest first. Rejected ones take no part in the levels.
    """
    found = {}
    for place in reversed(range(len(runs))):
        for point in runs[place].points:
            found.setdefault(point.benchmark, []).append((place, point))
    return [_series(name, its[::-1], runs) for name, its in found.items()]


def _series(benchmark, its, runs):
    places, points = [place for place, _ in its], [point for _, point in its]
    breaks = []
    for before, here in pairwise(places):
        then, now = runs[before].fingerprint, runs[here].fingerprint
        if then is not None and now is not None and then is not now and differences(then, now):
            breaks.append(
                (here, [f"{name}: {_short(old)} → {_short(new)}" for name, old, new in differences(then, now)])
            )
    rejected = {place for place in places if runs[place].state == "rejected"}
    changes = _changes(its, rejected, {place for place, _ in breaks})
    return Series(benchmark, places, points, rejected, breaks, changes)


def _changes(its, rejected, breaks):
    """Look for changes of level between the machine's changes, which are no change of the code."""
    found, segment = [], []
    for place, point in [*its, (None, None)]:
        if place is None or place in breaks:
            found += [segment[at][0] for at in change_points([point.seconds for _, point in segment])]
            segment = []
        if place is not None and place not in rejected:
            segment.append((place, point))
    return found


def _short(value):
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def add_windows(found, history, shown, runs):
    """Add to every series the window that the gate would judge its next run by, and what it would expect of that.

    :param history: :class:`benchmarks.judge.history.History`, or None.
    :param shown: the newest run, with its data.
    """
    benches = filter(is_ours, Record(shown.data).records("benchmarks"))
    rows = {bench.text("fullname"): bench.get("extra_info") for bench in benches}
    if history is None or not shown.fingerprint or not all(map(_is_sound, rows.values())):
        return
    back = history.look_back(rows, shown.fingerprint, WINDOW)
    places = {run.name: place for place, run in enumerate(runs)}
    for its in found:
        if its.benchmark not in rows:
            continue
        window = zip(back.runs[its.benchmark], back.window(its.benchmark, "epoch_seconds"))
        known = {name: times(row) for name, row in window if name in places}
        known = {name: logs for name, logs in known.items() if logs}
        if len(known) >= LEAST_WINDOW:
            low, high = map(exp, expect(list(known.values()), len(rows[its.benchmark]["trials"]), WINDOW_ALPHA))
            at = sorted(places[name] for name in known)
            its.window = {"first": at[0], "last": at[-1], "low": low, "high": high, "size": len(known)}


def times(row):
    """Return the logarithms of a row's epoch times; None where the gate would not judge by them."""
    found = None if row.get("disturbed_trials") else values(row, "epoch_seconds")
    return found and [log(value) for value in found]


def _is_sound(row):
    """Tell whether a row has what the gate compares by; the rows of history were checked when they were read."""
    try:
        check(row, ROW, "the row")
    except (TypeError, ValueError):
        return False
    return True


def rows(its, runs, dated):
    """Return the rows of a series' chart: its points, window, changes of level and breaks, as page.js makes them."""

    def at(place):
        run = runs[place]
        return {"run": place, "when": run.when, "date": run.when[:16].replace("T", " ")}

    points = [
        {
            **at(place),
            "name": runs[place].name,
            "commit": runs[place].commit[:12],
            "state": runs[place].state,
            "value": point.seconds,
            "low": point.low,
            "high": point.high,
        }
        for place, point in zip(its.runs, its.points)
    ]
    window = its.window and {
        **its.window,
        **{end: runs[its.window[end]].when if dated else its.window[end] for end in ("first", "last")},
    }
    return {
        "points": points,
        "window": [window] if window else [],
        "changes": [{**at(place), "text": f"level {its.level_change(place) - 1:+.1%}"} for place in its.changes],
        "breaks": [{**at(place), "text": "; ".join(text)} for place, text in its.breaks],
    }


def ratio_rows(runs, to):
    """Return the rows of the chart of ratios to framework ``to``."""
    by_run = ratios(runs, to)
    return [
        {
            "run": place,
            "when": run.when,
            "name": run.name,
            "commit": run.commit[:12],
            "framework": point.framework,
            "benchmark": point.benchmark,
            "ratio": ratio,
        }
        for place, run in enumerate(runs)
        for point, ratio in zip(run.points, by_run[place])
        if ratio is not None
    ]


def reference(runs):
    """Return the framework that the others are compared with over time, the one that most runs have; None for one."""
    seen = Counter(framework for run in runs for framework in {point.framework for point in run.points if point.ours})
    return min(seen, key=lambda name: (-seen[name], name)) if len(seen) > 1 else None


def ratios(runs, to):
    """Return, for each run's points in order, seconds over those of framework ``to`` in the same run and workload."""
    found = []
    for run in runs:
        base = {_workload(point): point.seconds for point in run.points if point.framework == to and point.ours}
        found.append(
            [_ratio(point.seconds, base.get(_workload(point))) if point.ours else None for point in run.points]
        )
    return found


def _workload(point):
    """A benchmark's name but for the framework's: what sets its workload and conditions apart."""
    return point.benchmark.replace(f"[{point.framework}", "[", 1)


def _ratio(over, under):
    return over / under if under else None


def trend_chart(dated):
    """Return the chart of one benchmark's runs.

    :param dated: whether every run has a date; else they stand in their order.
    """
    field, title = ("when:T", None) if dated else ("run:Q", "runs, oldest first")
    x = alt.X(field, title=title)
    tooltip = [
        alt.Tooltip("name:N", title="run"),
        alt.Tooltip("date:N", title="saved"),
        alt.Tooltip("commit:N"),
        alt.Tooltip("value:Q", title="seconds", format=".4f"),
        alt.Tooltip("low:Q", title="from", format=".4f"),
        alt.Tooltip("high:Q", title="to", format=".4f"),
        alt.Tooltip("state:N"),
    ]
    band = (
        chart("window")
        .mark_rect(opacity=0.18, style="window")
        .encode(
            x=alt.X(field.replace("when", "first").replace("run", "first"), title=title),
            x2="last",
            y="low:Q",
            y2="high:Q",
        )
    )
    base = chart("points").encode(x=x, tooltip=tooltip)
    whisker = base.transform_filter("isValid(datum.low)").mark_rule(opacity=0.45).encode(y="low:Q", y2="high:Q")
    dots = base.mark_point(style="run", filled=True, size=36, opacity=0.9).encode(
        y=alt.Y("value:Q", title="seconds", scale=alt.Scale(zero=False)),
        shape=alt.Shape(
            "state:N",
            scale=alt.Scale(
                domain=["accepted", "held", "rejected", ""], range=["circle", "triangle-up", "cross", "circle"]
            ),
            legend=None,
        ),
    )
    changes = chart("changes").mark_rule(style="change", strokeWidth=2, strokeDash=[6, 3])
    breaks = chart("breaks").mark_rule(style="break", strokeWidth=2)
    marked = [rule.encode(x=x, tooltip=[alt.Tooltip("text:N", title=" ")]) for rule in (changes, breaks)]
    return alt.layer(band, *marked, whisker, dots)


def ratio_chart(dated, to, frameworks):
    """Return the chart of all frameworks' times over those of one of them, run by run."""
    field, title = ("when:T", None) if dated else ("run:Q", "runs, oldest first")
    tooltip = [
        "framework:N",
        alt.Tooltip("name:N", title="run"),
        alt.Tooltip("commit:N"),
        alt.Tooltip("ratio:Q", title=f"over {to}", format=".3f"),
    ]
    base = chart("points").encode(
        x=alt.X(field, title=title),
        y=alt.Y("ratio:Q", title=f"epoch time over {to}'s", scale=alt.Scale(zero=False)),
        color=framework_colour(frameworks),
        detail="benchmark:N",
        tooltip=tooltip,
    )
    return base.mark_line(strokeWidth=1.5) + base.mark_point(size=24, filled=True)
