"""Everything that a report is written to: the page, figures, Markdown and CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_duet.atomic import atomic_write
from pytest_duet.errors import DuetError
from pytest_duet.report import additions, figure_files, markdown, page
from pytest_duet.report.content import Content, content
from pytest_duet.report.gather import Gathered

if TYPE_CHECKING:
    from pluggy import HookRelay


def check_places(*files: Path | None, directories: Iterable[Path | None] = ()) -> None:
    """Refuse places that cannot be written to, before anything long is begun; None is no place.

    :raises DuetError: naming the place.
    """
    for path in filter(None, files):
        if path.is_dir():
            raise DuetError(f"{path} is a folder; name a file.")
        if not path.absolute().parent.is_dir():
            raise DuetError(f"{path}: there is no folder {path.absolute().parent}.")
    for path in filter(None, directories):
        if path.exists() and not path.is_dir():
            raise DuetError(f"{path} is a file; name a folder.")


def write(
    gathered: Gathered,
    page_file: Path | None = None,
    figures: Path | None = None,
    markdown_file: Path | None = None,
    csv_directory: Path | None = None,
    compared: dict[str, Any] | None = None,
    append_to: Path | None = None,
    hook: HookRelay | None = None,
) -> Iterator[Path]:
    """Write what was asked for, each file all or nothing, and yield the paths.

    :param compared: what :func:`pytest_duet.report.two_runs.compare` gave, for the page.
    :param append_to: a file that the Markdown is added to, as CI's step summary is.
    :param hook: of the plugins that add to the report.
    """
    if csv_directory:
        yield from _write_csv(gathered, csv_directory, hook)
    if not (page_file or figures or markdown_file):
        return
    found = content(gathered, hook)
    if page_file:
        atomic_write(page_file, page.render(found, compared).encode())
        yield page_file
    if figures:
        yield from figure_files.write(figures, found)
    if markdown_file:
        atomic_write(markdown_file, as_markdown(gathered, found).encode())
        yield markdown_file
    if append_to:
        with append_to.open("a", encoding="utf-8") as file:
            file.write(as_markdown(gathered, found))


def _write_csv(gathered: Gathered, directory: Path, hook: HookRelay | None) -> list[Path]:
    rows = list(gathered.rows.values())
    if not rows:
        raise DuetError(f"{gathered.shown.name}: none of its benchmarks has trials, so there is nothing for CSV.")
    directory.mkdir(parents=True, exist_ok=True)
    written = additions.write_csv(hook, rows, directory)
    if not written:
        raise DuetError("--results-csv: no plugin here writes CSV files. Use the suite's own command, if it has one.")
    return written


def as_markdown(gathered: Gathered, found: Content) -> str:
    """Return the summary as Markdown."""
    trends = {its.benchmark: [point.seconds for point in its.points] for its in found.material.series}
    table = markdown.table(gathered.rows, trends, found.material.words, found.material.columns)
    shown = found.shown
    sentence = shown["sentence"] if shown["asked"] or not shown["answers"] else ""
    hint = "" if sentence or not shown["answers"] else found.material.words.hint
    return markdown.summary(sentence, shown["answers"], shown["urgent"], table, hint)
