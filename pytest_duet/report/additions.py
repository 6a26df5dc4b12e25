"""What a suite adds to a report by its hooks: words, columns, sections of the page, CSV files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from pluggy import HookRelay

    from pytest_duet.record.row import Row
    from pytest_duet.report.charts import Chart
    from pytest_duet.report.gather import Gathered
    from pytest_duet.report.reading import Entry
    from pytest_duet.report.series import Series

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Words:
    """How a report calls things.

    :param title: of the page.
    :param subject: what is measured, such as "framework".
    :param round: what is timed, such as "epoch".
    :param round_of: returns what a row's are called; None where they are all whole ones.
    :param took: returns what a row's subject did in a time that is given in words.
    :param amount_of: returns how much work a row's rounds are; None where all do equally much.
    :param closer: returns what compares a row more closely where a run cannot tell two subjects apart, in a sentence.
    :param hint: what to do next, below the answer of a run that was not judged.
    :param floor_of: returns the least seconds that a row's round could take on its machine; None where nobody knows.
    :param floor: what that is called.
    """

    title: str = "Benchmarks, measured"
    subject: str = "benchmark"
    round: str = "round"
    round_of: Callable[[Row, dict[str, Any]], str] | None = None
    took: Callable[[Row, dict[str, Any], str], str] = lambda row, extra_info, time: f"takes {time} a round"
    amount_of: Callable[[Row, dict[str, Any]], float] | None = None
    floor_of: Callable[[Row, dict[str, Any]], float | None] = lambda row, extra_info: None
    floor: str = "the least possible"
    closer: Callable[[Row, dict[str, Any]], str] = lambda row, extra_info: ""
    hint: str = "To judge a change: --against git:main takes turns with main, --gate holds it against the saved runs."


@dataclass(frozen=True)
class Column:
    """A figure of every row, as the page's comparison and the Markdown table show it.

    :param name: its key in the page's data; of two columns of a name, the last one counts.
    :param value: returns it from a row and the ``extra_info`` that it stands in, a number or text; None where it is
        unknown.
    :param form: of a number, as :meth:`str.format` takes it.
    :param unit: that a number is divided by before it is shown.
    :param page: its heading on the page; ``""`` where it is not shown there. ``markdown`` likewise.
    :param place: columns stand in the order of their places; the instrument's own are multiples of 10.
    :param words: whether Markdown has it on the left, as text stands.
    :param optional: whether the page leaves it out where no row has it.
    :param rank: returns what Markdown's rows are sorted by, the lowest first; the columns' ranks count in their order.
    """

    name: str
    value: Callable[[Row, dict[str, Any]], Any]
    form: str = "{}"
    unit: int = 1
    page: str = ""
    markdown: str = ""
    place: int = 0
    words: bool = False
    optional: bool = False
    rank: Callable[[Row, dict[str, Any]], Any] | None = None

    def text(self, value: Any) -> str:
        """Return a figure as it is shown."""
        if isinstance(value, str):
            return value
        return "-" if value is None else self.form.format(value / self.unit)


@dataclass(frozen=True)
class Section:
    """A section of the page.

    :param name: what links to it and its charts' names begin with.
    :param title: its heading.
    :param link: its text in the navigation.
    :param place: sections stand in the order of their places; the instrument's own are multiples of 100.
    :param template: the file with its HTML, for Jinja; macros.html has what the instrument's own are made of. None
        where it has nothing to show.
    :param shown: what the template is given.
    :param data: what the page embeds, by key: the rows of charts.
    :param charts: makes the charts by the names that the template's elements have for them.
    """

    name: str
    title: str
    link: str
    place: int
    template: Path | None
    shown: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    charts: Callable[[], dict[str, Chart]] = dict


@dataclass(frozen=True)
class Material:
    """What sections are made of.

    :param compared: the rows of the comparison: :func:`pytest_duet.report.sections.comparison.rows`.
    :param series: of all benchmarks.
    :param dated: whether every run has a date.
    """

    gathered: Gathered
    words: Words
    columns: tuple[Column, ...]
    compared: Rows
    series: list[Series]
    dated: bool

    @property
    def names(self) -> list[str]:
        """All that has a colour of its own."""
        return sorted({its.subject for its in self.series})


def words(hook: HookRelay | None) -> Words:
    """Return the words of the first plugin that has some, else those of no suite."""
    return (hook and hook.pytest_duet_report_words()) or Words()


def columns(hook: HookRelay | None, own: Iterable[Column] = ()) -> tuple[Column, ...]:
    """Return the plugins' columns among the instrument's own, by their places."""
    found = hook.pytest_duet_report_columns() if hook else ()
    return in_order(chain(own, *found))


def in_order(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return columns by their places, one of each name."""
    return tuple(sorted({column.name: column for column in columns}.values(), key=lambda column: column.place))


def sections(hook: HookRelay | None, material: Material, own: Sequence[Section]) -> list[Section]:
    """Return the plugins' sections among the instrument's own, likewise."""
    found = hook.pytest_duet_report_sections(material=material) if hook else ()
    return sorted(chain(own, *found), key=lambda section: section.place)


def write_csv(hook: HookRelay | None, rows: Sequence[Entry], directory: Path) -> list[Path]:
    """Let the plugins write their CSV files; return the paths, none where nobody writes any."""
    found = hook.pytest_duet_report_csv(rows=rows, directory=directory) if hook else ()
    return list(chain(*found))
