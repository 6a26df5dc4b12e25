"""The hooks by which a suite extends the plugin.

Write functions of these names into a ``conftest.py`` or a plugin of pytest; each takes those of the arguments that it
needs, by name. A command that runs outside of pytest calls the same functions: there, ``config`` is None where it says
so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from pytest_duet.doctor.machine import Folders
    from pytest_duet.doctor.row import Row as Looked
    from pytest_duet.record.metrics import Metric
    from pytest_duet.record.row import Row
    from pytest_duet.report.additions import Column, Material, Section, Words

hookspec = pluggy.HookspecMarker("pytest")


@dataclass(frozen=True)
class Needs:
    """What the benchmarks of a session need of the machines that they run on.

    :param device: where they compute: ``"cpu"``, ``"gpu"``, or ``"auto"`` for a GPU if there is one.
    :param threads: how many each computes with, ``--threads``; None where nobody asked for a number.
    :param modules: what another machine's interpreter must be able to import, beside what the plugin itself needs.
    :param file_options: options whose values are files of the repository, which must go along to another machine.
    """

    device: str = "auto"
    threads: int | None = None
    modules: tuple[str, ...] = ()
    file_options: tuple[str, ...] = ()


@hookspec
def pytest_duet_wanted(config: pytest.Config) -> bool | None:
    """Tell whether this session is going to run benchmarks that carry the marker ``duet``.

    It is asked before anything is collected. One yes is enough; where nobody says so, the plugin comes to life once a
    marked benchmark is collected, too late for a check-up and for workers of pytest-xdist.
    """


@hookspec(firstresult=True)
def pytest_duet_needs(config: pytest.Config) -> Needs | None:
    """Return what the benchmarks of this session need. The first that is not None counts."""


@hookspec(firstresult=True)
def pytest_duet_metrics(config: pytest.Config) -> Iterable[Metric] | None:
    """Return what the gate compares of every benchmark, in the order in which it is shown.

    The first answer that is not None counts; where there is none, it is time, memory and the first round.
    """


@hookspec
def pytest_duet_prepare(config: pytest.Config, say: Callable[[str], None]) -> None:
    """Do once what every worker of this machine would do otherwise: a download, say. Called before they start.

    What fails here is not reported, since the workers will meet it again: a ``DuetError`` is swallowed.

    :param say: called with a line of text for what takes its time.
    """


@hookspec(firstresult=True)
def pytest_duet_subject(config: pytest.Config, nodeid: str) -> str | None:
    """Return which subject a benchmark measures of which only the node id is known; None where it is no benchmark.

    The controller of several workers asks this of every test, since a machine may be lost before it has run one. The
    first answer that is not None counts.
    """


@hookspec(firstresult=True)
def pytest_duet_asked(config: pytest.Config, subject: str, name: str) -> bool | None:
    """Tell whether this session was asked for a subject that history knows; if not, it has not vanished.

    The first answer that is not None counts; where there is none, every subject was asked for.

    :param name: pytest-benchmark's fullname of its benchmark.
    """


@hookspec
def pytest_duet_tables(
    config: pytest.Config,
    terminalreporter: pytest.TerminalReporter,
    rows: list[tuple[Row, dict[str, Any]]],
    machine: str,
) -> None:
    """Show the rows that one machine measured, after pytest-benchmark's own table and before the gate's verdicts.

    :param rows: of each benchmark its row and the ``extra_info`` that it stands in; at least one.
    :param machine: its name; ``""`` where the session measured on this machine alone.
    """


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
def pytest_duet_report_csv(rows: Sequence[tuple[Row, dict[str, Any]]], directory: Path) -> Sequence[Path] | None:
    """Write CSV files of one run into a folder that is there, for ``--results-csv``, and return their paths.

    :param rows: of each benchmark its row and the ``extra_info`` that it stands in.
    """


@hookspec
def pytest_duet_doctor_rows(chosen: Namespace) -> Sequence[Looked] | None:
    """Look at something else than the machine, and return what was found.

    :param chosen: the options of the command.
    """


@hookspec
def pytest_duet_doctor_folders() -> Folders | None:
    """Return further folders that must have room: what each is for, and a function that finds it."""
