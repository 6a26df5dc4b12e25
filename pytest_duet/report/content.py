"""What a report says: the data that it embeds, its sections, and what stands above them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_duet.record.comparison import Verdict
from pytest_duet.record.saved_run import GateRecord
from pytest_duet.report import additions
from pytest_duet.report.additions import Material, Rows, Section
from pytest_duet.report.answer import answers
from pytest_duet.report.gather import Gathered
from pytest_duet.report.reading import filters
from pytest_duet.report.sections import about, comparison, first_rounds, trends, trials
from pytest_duet.report.sections import verdict_cards as verdict
from pytest_duet.report.series import add_windows, series

if TYPE_CHECKING:
    from pluggy import HookRelay

    from pytest_duet.report.charts import Chart

SCHEMA = 2
DAMAGED = "What says how the run ended is damaged: this report compares, and judges nothing."


@dataclass(frozen=True)
class Content:
    """What a report says.

    :param data: what the page embeds and offers for download; RESULTS.md documents it.
    :param charts: by the names that the page's elements have for them.
    :param shown: what stands above the sections.
    :param material: what the sections were made of.
    """

    data: dict[str, Any]
    charts: dict[str, Chart]
    sections: list[Section]
    shown: dict[str, Any]
    material: Material


def content(gathered: Gathered, hook: HookRelay | None = None) -> Content:
    """Return what a report says.

    :param hook: of the plugins that add to it; None for the instrument's own alone.
    """
    run, words, columns = gathered.shown, additions.words(hook), additions.columns(hook, comparison.COLUMNS)
    found = series(gathered.runs)
    add_windows(found, gathered)
    compared = comparison.rows(gathered, columns, words)
    material = Material(gathered, words, columns, compared, found, all(run.when for run in gathered.runs))
    own = [module.section(material) for module in (comparison, first_rounds, trends, trials, about)]
    sections = additions.sections(hook, material, own)
    gate = run.gate or GateRecord()
    cells = verdict.rows(gate)
    answered = answers(gathered.rows, words, run.fingerprint, together=not run.merged)
    data = {"schema": SCHEMA, "shown": run.name, "answers": [its.as_json() for its in answered], "gate": cells}
    for section in sections:
        data |= section.data
    sentence, tone = (DAMAGED, "open") if run.broken else verdict.sentence(gate)
    shown = {
        "answers": answered,
        "sentence": sentence,
        "tone": tone,
        "asked": bool(gate.comparisons or gate.failed_tests or gate.interrupted or run.broken),
        "judged": verdict.judged_against(gate),
        "cells": cells,
        "urgent": [cell for cell in cells if cell["urgent"]],
        "findings": gate.findings + gate.cautions,
        "filters": _filters(compared, words.subject),
        "run": run,
        "runs": len(gathered.runs),
        "verdicts": {its: its.name.lower() for its in Verdict},
    }
    return Content(data, _charts(sections), sections, shown, material)


def _charts(sections: list[Section]) -> dict[str, Chart]:
    return {name: chart for section in sections for name, chart in section.charts().items()}


def _filters(compared: Rows, subject: str) -> dict[str, tuple[str, list[str]]]:
    """Return the title and the values of each filter that has something to choose from.

    :param subject: what the subjects are called.
    """
    values: dict[str, set[str]] = {"subject": set()}
    for row in compared:
        for name, value in filters(row).items():
            values.setdefault(name, set()).update([value] if value else [])
    titles = {"subject": subject}
    return {name: (titles.get(name, name).capitalize(), sorted(its)) for name, its in values.items() if len(its) > 1}
