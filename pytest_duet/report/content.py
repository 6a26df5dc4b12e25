"""What a report says: the data that it embeds, the charts over it, and what its text and tables show."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.report import budget, seed
from pytest_duet.judge.verdict import Verdict
from pytest_duet.report.charts import HEIGHT, ROW_HEIGHT, specification
from pytest_duet.report.glyphs import RUNS
from pytest_duet.report.lenient import Record
from pytest_duet.report.sections import about, comparison, trends, trials
from pytest_duet.report.sections import verdict_cards as verdict

SCHEMA = 1
MOST_BREAKS = 100  # changes of the machine that a benchmark's trend shows, the newest: runners may alternate
TOLD_BREAKS = 5  # of them, in words


@dataclass(frozen=True)
class Content:
    """What a report says.

    :param data: what the page embeds and offers for download; RESULTS.md documents it.
    :param charts: by name, ``{"spec": Vega-Lite's, "rows": the data's key, "group": whose rows, or None}``.
    :param shown: what the page's text and tables are made of.
    :param series: :class:`pytest_duet.report.sections.trends.Series` of all benchmarks.
    :param dated: whether every run has a date.
    """

    data: dict
    charts: dict
    shown: dict
    series: list
    dated: bool


def content(gathered):
    """Return the :class:`Content` of a :class:`pytest_duet.report.gather.Gathered`."""
    run = gathered.shown
    compared = comparison.rows(run)
    found = trends.series(gathered.runs)
    trends.add_windows(found, gathered.history, run, gathered.runs)
    gate = Record(run.data).record("gate")
    dots, epochs, panels = trials.rows(run), seed.epochs(run), comparison.tradeoffs(compared)
    data = {
        "schema": SCHEMA,
        "shown": run.name,
        "gate": verdict.rows(gate),
        "comparison": compared,
        "trials": dots,
        "epochs": epochs,
        "seed": seed.rows(epochs),
        "budget": budget.rows(run),
        "clocks": trials.clock_rows(run),
        "tradeoff": [{**row, "panel": title} for title, rows in panels.items() for row in rows],
        **_history(gathered.runs, found),
    }
    dated = all(data["runs"]["when"])
    sentence, tone = verdict.sentence(gate)
    judged = verdict.judged_against(gate)
    shown = {
        "sentence": sentence,
        "tone": tone,
        "judged": judged,
        "cells": data["gate"],
        "urgent": [cell for cell in data["gate"] if cell["urgent"]],
        "findings": _texts(gate.get("findings")) + _texts(gate.get("cautions")),
        "groups": comparison.groups(compared),
        "memory": {
            name: title for name, title in comparison.LEDGER.items() if any(row[name] is not None for row in compared)
        },
        "seed": data["seed"],
        "published": seed.published(),
        "unlike_the_seed": seed.differences(run),
        "measures": seed.MEASURES,
        "budget": data["budget"],
        "clocks": data["clocks"],
        "strips": list(comparison.groups(dots)),
        "panels": list(panels),
        "tabled": RUNS,
        "trends": [_trend(number, its, gathered.runs) for number, its in enumerate(found)],
        "reference": data["reference"],
        "many": len(gathered.runs) > 1,
        "filters": _filters(compared),
        "run": run,
        "runs": len(gathered.runs),
        "facts": about.facts(run),
        "installed": about.installed(run),
        "remarks": gathered.remarks,
        "verdicts": {verdict: verdict.name.lower() for verdict in Verdict},
    }
    return Content(data, _charts(data, found, dated), shown, found, dated)


def _history(runs, found):
    """Return the runs, and their points column by column: tens of thousands of rows with names would be too long."""
    fingerprints = []
    for run in runs:
        if run.fingerprint is not None and not any(run.fingerprint is known for known in fingerprints):
            fingerprints.append(run.fingerprint)
    place = {id(fingerprint): number for number, fingerprint in enumerate(fingerprints)}
    number = {its.benchmark: number for number, its in enumerate(found)}
    to = trends.reference(runs)
    ratios = trends.ratios(runs, to) if to else [[None] * len(run.points) for run in runs]
    points = [
        (at, number[point.benchmark], point, ratio)
        for at, run in enumerate(runs)
        for point, ratio in zip(run.points, ratios[at])
    ]
    return {
        "reference": to,
        "fingerprints": fingerprints,
        "runs": {
            "name": [run.name for run in runs],
            "when": [run.when for run in runs],
            "commit": [run.commit[:12] for run in runs],
            "branch": [run.branch for run in runs],
            "state": [run.state for run in runs],
            "fingerprint": [place.get(id(run.fingerprint)) for run in runs],
        },
        "benchmarks": [
            {
                "benchmark": its.benchmark,
                "framework": its.framework,
                **dict(zip(("execution", "data", "precision"), its.points[-1].contract or ("", "", ""))),
                "device": its.points[-1].device,
                "memory_source": its.points[-1].memory_source,
                "window": its.window,
                "changes": [{"run": run, "ratio": ratio} for run, ratio in its.changes],
                "breaks": [{"run": run, "text": "; ".join(text)} for run, text in its.breaks[-MOST_BREAKS:]],
            }
            for its in found
        ],
        "points": {
            "run": [at for at, *_ in points],
            "benchmark": [benchmark for _, benchmark, *_ in points],
            **{
                name: [getattr(point, name) for *_, point, _ in points]
                for name in ("seconds", "low", "high", "first_epoch_seconds", "accuracy")
            },
            "memory_bytes": [
                point.memory_bytes if point.memory_source == found[benchmark].points[-1].memory_source else None
                for _, benchmark, point, _ in points
            ],
            "ratio": [ratio for *_, ratio in points],
        },
    }


def _charts(data, found, dated):
    """Return the charts by the names that the page's elements have for them: specification and where its rows are."""
    names = sorted({its.framework for its in found})
    charts = {
        "seed-epochs": _chart(seed.epochs_chart(names), "epochs"),
        **{f"seed-{measure}": _chart(seed.mean_chart(measure, names), "seed") for measure in seed.MEASURES},
        "trend": _chart(trends.trend_chart(dated), "trend", HEIGHT),
        "tradeoff": _chart(comparison.tradeoff_chart(names), "tradeoff", 320),
    }
    for group, rows in comparison.groups(data["comparison"]).items():
        alike = [row for row in data["comparison"] if _beside(row) == _beside(rows[0])]
        made = comparison.epoch_chart(names, max(row["high"] or row["seconds"] for row in alike))
        charts[f"comparison:{group}"] = _chart(made, "comparison", 40 + ROW_HEIGHT * len(rows), group)
    for group, rows in comparison.groups(data["trials"]).items():
        height = 40 + 2 * ROW_HEIGHT * len({row["framework"] for row in rows})
        charts[f"trials:{group}"] = _chart(trials.strip_chart(), "trials", height, group)
    if data["budget"]:
        charts["budget"] = _chart(budget.budget_chart(), "budget", 40 + ROW_HEIGHT * len(data["budget"]))
    if data["clocks"]:
        charts["clocks"] = _chart(trials.clock_chart(), "clocks")
    if data["reference"]:
        charts["ratio"] = _chart(trends.ratio_chart(dated, data["reference"], names), "ratio")
    return charts


def _beside(row):
    return row["device"], row["workload"]


def _chart(made, rows, height=HEIGHT, group=None):
    return {"spec": specification(made, height), "rows": rows, "group": group}


def _trend(number, its, runs):
    latest = [
        {
            "name": runs[at].name,
            "when": runs[at].when[:16].replace("T", " "),
            "commit": runs[at].commit[:10],
            "state": runs[at].state,
            "point": point,
        }
        for at, point in list(zip(its.runs, its.points))[-RUNS:][::-1]
    ]
    summary = its.summary()
    if summary["change"] is not None:
        at = runs[summary["change"]]
        summary["change_text"] = f"{at.when[:10]} {at.commit[:10]}".strip() or at.name
    execution, _, precision = its.points[-1].contract or ("", "", "")
    summary |= {"execution": execution, "precision": precision, "device": its.points[-1].device}
    return {
        **summary,
        "number": number,
        "latest": latest,
        "changed_machine": [text for _, text in its.breaks[-TOLD_BREAKS:]],
    }


def _filters(compared):
    names = {"framework": "Framework", "execution": "Execution", "device": "Device", "precision": "Precision"}
    values = {name: sorted({row[name] for row in compared if row[name]}) for name in names}
    return {name: (title, values[name]) for name, title in names.items() if len(values[name]) > 1}


def _texts(value):
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
