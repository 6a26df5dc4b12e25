"""The hooks by which a suite extends the plugin.

Write functions of these names into a ``conftest.py`` or a plugin of pytest; each takes those of the arguments that it
needs, by name. A command that runs outside of pytest calls the same functions: there, ``config`` is None where it says
so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_duet.doctor.machine import Folders
    from pytest_duet.doctor.row import Row
    from pytest_duet.report.additions import Column, Material, Section, Words

hookspec = pluggy.HookspecMarker("pytest")


# The report and the doctor, which commands make outside of a session, too.


@hookspec(firstresult=True)
def pytest_duet_report_words() -> Words | None:
    """Return how a report is titled, and what it calls a subject and a round. The first that is not None counts."""


@hookspec
def pytest_duet_report_columns() -> Sequence[Column] | None:
    """Return columns to add to the comparison on the report's page and in Markdown."""


@hookspec
def pytest_duet_report_sections(material: Material) -> Sequence[Section] | None:
    """Return sections to add to the report's page, made from what there is to report on."""


@hookspec
def pytest_duet_report_csv(rows: Sequence[dict[str, Any]], directory: Path) -> Sequence[Path] | None:
    """Write CSV files of one run into a folder that is there, for ``--results-csv``, and return their paths.

    :param rows: the ``extra_info`` of each benchmark.
    """


@hookspec
def pytest_duet_doctor_rows(chosen: Namespace) -> Sequence[Row] | None:
    """Look at something else than the machine, and return what was found.

    :param chosen: the options of the command.
    """


@hookspec
def pytest_duet_doctor_folders() -> Folders | None:
    """Return further folders that must have room: what each is for, and a function that finds it."""
