"""The trends: every benchmark over the runs, as columns that page.js makes the rows of its charts of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import altair as alt

from pytest_duet.record.metrics import MEMORY
from pytest_duet.report.additions import Material, Rows, Section
from pytest_duet.report.charts import Chart, Datasets, chart, colour
from pytest_duet.report.gather import Gathered
from pytest_duet.report.glyphs import RUNS, sparkline
from pytest_duet.report.reading import conditions
from pytest_duet.report.saved_runs import TIME, Point, ReportRun
from pytest_duet.report.series import Series, ratios, reference

MOST_BREAKS = 100  # changes of the machine that a benchmark's trend shows, the newest: runners may alternate
TOLD_BREAKS = 5  # of them, in words
FIGURES = (TIME, "low", "high")  # of a point
STATES = ("accepted", "pending", "rejected", "")
SHOWN_UNITS = {"s": ", s", "B": ", MiB"}


def section(material: Material) -> Section:
    """Return the section; it is not shown where there is one run alone."""
    runs, found, what = material.gathered.runs, material.series, material.words.round
    to = reference(runs)

    def charts() -> dict[str, Chart]:
        made = {"trend": Chart(trend_chart(material.dated), "trend", pictures=lambda: _pictures(material))}
        if to:
            drawn = ratio_chart(material.dated, to, material.names, what)
            made["ratio"] = Chart(drawn, "ratio", pictures=lambda: [("ratio", {"points": ratio_rows(runs, to)})])
        return made

    shown = {
        "tabled": RUNS,
        "trends": [_trend(number, its, runs) for number, its in enumerate(found)],
        "reference": to,
        "metrics": {
            name: metric.title + SHOWN_UNITS.get(metric.unit, f", {metric.unit}".rstrip(", "))
            for name, metric in material.gathered.metrics.items()
        },
    }
    template = Path(__file__).with_name("trends.html") if len(runs) > 1 else None
    return Section("trends", "Trends", "Trends", 200, template, shown, columns(material.gathered, found, to), charts)


def columns(gathered: Gathered, found: Sequence[Series], to: str | None) -> dict[str, Any]:
    """Return the runs, and their points column by column: tens of thousands of rows with names would be too long.

    :param to: the subject that the others are compared with.
    """
    runs, metrics = gathered.runs, gathered.metrics
    fingerprints = [fingerprint for fingerprint in gathered.fingerprints.values() if fingerprint]
    place = {id(fingerprint): number for number, fingerprint in enumerate(fingerprints)}
    number = {its.benchmark: number for number, its in enumerate(found)}
    over = ratios(runs, to) if to else [[None] * len(run.points) for run in runs]
    points = [
        (at, number[point.benchmark], point, ratio)
        for at, run in enumerate(runs)
        for point, ratio in zip(run.points, over[at])
    ]
    return {
        "reference": to,
        "fingerprints": fingerprints,
        "runs": {
            **{name: [getattr(run, name) for run in runs] for name in ("name", "when", "branch", "state")},
            "commit": [run.commit[:12] for run in runs],
            "fingerprint": [place.get(id(run.fingerprint)) for run in runs],
        },
        "benchmarks": [_benchmark(its) for its in found],
        "points": {
            "run": [at for at, *_ in points],
            "benchmark": [benchmark for _, benchmark, *_ in points],
            **{name: [getattr(point, name) for *_, point, _ in points] for name in FIGURES},
            "ratio": [ratio for *_, ratio in points],
            "metrics": {
                name: [_figure(point, name, found[benchmark].points[-1]) for _, benchmark, point, _ in points]
                for name in metrics
                if name != TIME
            },
        },
        "metrics": {name: {"title": its.title, "unit": its.unit} for name, its in metrics.items()},
    }


def _figure(point: Point, metric: str, newest: Point) -> float | None:
    unlike = metric == MEMORY and point.memory_source != newest.memory_source
    return None if unlike else point.metrics.get(metric)


def _benchmark(its: Series) -> dict[str, Any]:
    return {
        "benchmark": its.benchmark,
        **conditions(its.points[-1]),
        "memory_source": its.points[-1].memory_source,
        "window": its.window,
        "changes": [{"run": run, "ratio": ratio} for run, ratio in its.changes],
        "breaks": [{"run": run, "text": "; ".join(text)} for run, text in its.breaks[-MOST_BREAKS:]],
    }


def _trend(number: int, its: Series, runs: Sequence[ReportRun]) -> dict[str, Any]:
    """Return a series as its line in the table and its part of the section show it."""
    change, ratio = its.changes[-1] if its.changes else (None, None)
    at = None if change is None else runs[change]
    latest = list(zip(its.runs, its.points))[-RUNS:]
    return {
        **conditions(its.points[-1]),
        "number": number,
        "benchmark": its.benchmark,
        "runs": len(its.runs),
        "newest": its.points[-1].seconds,
        "window": its.window,
        "change_ratio": ratio,
        "change_text": at and (f"{at.when[:10]} {at.commit[:10]}".strip() or at.name),
        "breaks": len(its.breaks),
        "glyphs": sparkline([point.seconds for _, point in latest]),
        "latest": [{**_at(runs, place), "point": point} for place, point in reversed(latest)],
        "changed_machine": [text for _, text in its.breaks[-TOLD_BREAKS:]],
    }


def _pictures(material: Material) -> Iterable[tuple[str, Datasets]]:
    for its in material.series:
        if len(its.runs) > 1:
            name = f"trend-{its.subject}-{its.benchmark.rpartition('::')[2]}"
            yield name, rows(its, material.gathered.runs, material.dated)


def _at(runs: Sequence[ReportRun], place: int) -> dict[str, Any]:
    """Return what every mark says of its run."""
    run = runs[place]
    return {
        "run": place,
        "when": run.when,
        "date": run.when[:16].replace("T", " "),
        "name": run.name,
        "commit": run.commit[:12],
        "state": run.state,
    }


def rows(its: Series, runs: Sequence[ReportRun], dated: bool) -> Datasets:
    """Return the rows of a series' chart: its points, window, changes of level and breaks, as page.js makes them."""
    points = [
        {**_at(runs, place), "value": point.seconds, "low": point.low, "high": point.high}
        for place, point in zip(its.runs, its.points)
    ]
    window = its.window and {
        **its.window,
        **{end: runs[its.window[end]].when if dated else its.window[end] for end in ("first", "last")},
    }
    return {
        "points": points,
        "window": [window] if window else [],
        "changes": [{**_at(runs, place), "text": f"level {ratio - 1:+.1%}"} for place, ratio in its.changes],
        "breaks": [{**_at(runs, place), "text": "; ".join(text)} for place, text in its.breaks],
    }


def ratio_rows(runs: Sequence[ReportRun], to: str) -> Rows:
    """Return the rows of the chart of ratios to subject ``to``."""
    over = ratios(runs, to)
    return [
        {**_at(runs, place), "subject": point.subject, "benchmark": point.benchmark, "ratio": ratio}
        for place, run in enumerate(runs)
        for point, ratio in zip(run.points, over[place])
        if ratio is not None
    ]


def _axis(dated: bool) -> Any:
    form = "%d %b %H:%M" if dated else alt.Undefined
    return alt.Axis(tickCount=5, labelOverlap=True, format=form)


def trend_chart(dated: bool) -> Any:
    """Return the chart of one benchmark's runs.

    :param dated: whether every run has a date; else they stand in their order.
    """
    field, title = ("when:T", None) if dated else ("run:Q", "runs, oldest first")
    x = alt.X(field, title=title, axis=_axis(dated))
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
    shapes = alt.Scale(domain=STATES, range=["circle", "triangle-up", "cross", "circle"])
    dots = base.mark_point(style="run", filled=True, size=36, opacity=0.9).encode(
        y=alt.Y("value:Q", title="seconds", scale=alt.Scale(zero=False)),
        shape=alt.Shape("state:N", scale=shapes, legend=None),
    )
    changes = chart("changes").mark_rule(style="change", strokeWidth=2, strokeDash=[6, 3])
    breaks = chart("breaks").mark_rule(style="break", strokeWidth=2)
    marked = [rule.encode(x=x, tooltip=[alt.Tooltip("text:N", title=" ")]) for rule in (changes, breaks)]
    return alt.layer(band, *marked, whisker, dots)


def ratio_chart(dated: bool, to: str, names: Sequence[str], what: str) -> Any:
    """Return the chart of all subjects' times over those of one of them, run by run.

    :param what: is timed.
    """
    field, title = ("when:T", None) if dated else ("run:Q", "runs, oldest first")
    tooltip = [
        "subject:N",
        alt.Tooltip("name:N", title="run"),
        alt.Tooltip("commit:N"),
        alt.Tooltip("ratio:Q", title=f"over {to}", format=".3f"),
    ]
    base = chart("points").encode(
        x=alt.X(field, title=title, axis=_axis(dated)),
        y=alt.Y("ratio:Q", title=f"{what} time over {to}'s", scale=alt.Scale(zero=False)),
        color=colour(names),
        detail="benchmark:N",
        tooltip=tooltip,
    )
    return base.mark_line(strokeWidth=1.5) + base.mark_point(size=24, filled=True)
