"""Every benchmark over the saved runs: its points, the window that counts, where its level or the machine changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import exp, log

import altair as alt

from pytest_duet.judge.by_history import evidence
from pytest_duet.judge.change_points import level_changes
from pytest_duet.judge.prediction import expect
from pytest_duet.record.history import MIN_RUNS, WINDOW
from pytest_duet.record.lookback import differences
from pytest_duet.record.saved_run import ROW
from pytest_duet.record.shape import check
from pytest_duet.report.charts import chart, framework_colour
from pytest_duet.report.glyphs import RUNS, sparkline
from pytest_duet.report.lenient import Record
from pytest_duet.report.saved_runs import is_ours

WINDOW_ALPHA = 0.025  # on either side: the band is to hold 95 % of further runs, benchmark by benchmark


@dataclass
class Series:
    """One benchmark over the runs that have it, oldest first.

    :param runs: their places among all runs.
    :param points: :class:`pytest_duet.report.saved_runs.Point`, one for each.
    :param breaks: ``[(run, what changed), ...]``: the places of runs whose machine is another than the run's before.
    :param changes: ``[(run, new/old), ...]``: the places of runs with which another level begins, and its ratio.
    :param window: ``{"first": run, "last": run, "low": seconds, "high": seconds, "size": runs}``; None without one.
    """

    benchmark: str
    runs: list
    points: list
    breaks: list
    changes: list
    window: dict | None = None

    @property
    def framework(self):
        return self.points[-1].framework

    def summary(self):
        """Return the line of this series in the section's table."""
        change, ratio = self.changes[-1] if self.changes else (None, None)
        return {
            "benchmark": self.benchmark,
            "framework": self.framework,
            "runs": len(self.runs),
            "newest": self.points[-1].seconds,
            "window": self.window,
            "change": change,
            "change_ratio": ratio,
            "breaks": len(self.breaks),
            "glyphs": sparkline([point.seconds for point in self.points[-RUNS:]]),
        }


def series(runs):
    """Return the :class:`Series` of all benchmarks, in the order in which the newest run has them, then older ones.

    :param runs: :class:`SavedRun`, oldest first. Rejected ones take no part in the levels.
    """
    found = {}
    for place in reversed(range(len(runs))):
        for point in runs[place].points:
            found.setdefault(point.benchmark, []).append((place, point))
    return [_series(name, its[::-1], runs) for name, its in found.items()]


def _series(benchmark, its, runs):
    places, points = [place for place, _ in its], [point for _, point in its]
    machines, breaks = [], []  # the machine of each run; one that does not say is taken for the one before it
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


def _changes(its, rejected, machines):
    """Look for changes of level machine by machine: another machine's level is no change of the code."""
    by_machine = {}
    for (place, point), machine in zip(its, machines):
        if place not in rejected:
            by_machine.setdefault(machine, []).append((place, point.seconds))
    return sorted(
        (here[at][0], ratio)
        for here in by_machine.values()
        for at, ratio in level_changes([seconds for _, seconds in here])
    )


def _short(value):
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def add_windows(found, history, shown, runs):
    """Add to every series the window that the gate would judge its next run by, and what it would expect of that.

    :param history: :class:`pytest_duet.record.history.History`, or None.
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
        known = {name: evidence(row, "epoch_seconds") for name, row in window if name in places}
        logs = {name: [log(value) for value in values] for name, values in known.items() if values}
        if len(logs) >= MIN_RUNS:
            low, high = map(exp, expect(list(logs.values()), len(rows[its.benchmark]["trials"]), WINDOW_ALPHA))
            at = sorted(places[name] for name in logs)
            its.window = {"first": at[0], "last": at[-1], "low": low, "high": high, "size": len(logs)}


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
        "changes": [{**at(place), "text": f"level {ratio - 1:+.1%}"} for place, ratio in its.changes],
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
    """Return, for each run's points in order, seconds over those of framework ``to``; None where that is unknown.

    Both are of the same run, device and workload.
    """
    found = []
    for run in runs:
        base = {_beside(point): point.seconds for point in run.points if point.framework == to and point.ours}
        found.append([_ratio(point.seconds, base.get(_beside(point))) if point.ours else None for point in run.points])
    return found


def _beside(point):
    """Return the device, and the benchmark's name without the framework's: what sets its workload apart."""
    return point.device, point.benchmark.replace(f"[{point.framework}", "[", 1)


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
