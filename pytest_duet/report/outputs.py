"""Everything that a report is written to: the page, figures, Markdown and CSV."""

from __future__ import annotations

from benchmarks.report import csv_files
from pytest_duet.atomic import atomic_write
from pytest_duet.errors import DuetError
from pytest_duet.report import figure_files, markdown, page
from pytest_duet.report.content import content


def check_places(*files, directories=()):
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
    gathered, page_file=None, figures=None, markdown_file=None, csv_directory=None, compared=None, append_to=None
):
    """Write what was asked for, each file all or nothing, and yield the paths.

    :param gathered: :class:`pytest_duet.report.gather.Gathered`.
    :param compared: what :func:`pytest_duet.report.two_runs.compare` gave, for the page.
    :param append_to: a file that the Markdown is added to, as CI's step summary is.
    """
    if csv_directory:
        if not gathered.rows:
            raise DuetError(f"{gathered.shown.name}: none of its benchmarks has this suite's fields, so no CSV.")
        csv_directory.mkdir(parents=True, exist_ok=True)
        yield from csv_files.write(gathered.rows, csv_directory)
    if not (page_file or figures or markdown_file):
        return
    found = content(gathered)
    if page_file:
        atomic_write(page_file, page.render(found, compared).encode())
        yield page_file
    if figures:
        yield from figure_files.write(figures, gathered, found)
    if markdown_file:
        atomic_write(markdown_file, as_markdown(gathered, found).encode())
        yield markdown_file
    if append_to:
        with append_to.open("a", encoding="utf-8") as file:
            file.write(as_markdown(gathered, found))


def as_markdown(gathered, found):
    """Return the summary as Markdown.

    :param found: its :class:`pytest_duet.report.content.Content`.
    """
    trends = {its.benchmark: [point.seconds for point in its.points] for its in found.series}
    return markdown.summary(found.shown["sentence"], found.shown["urgent"], gathered.shown.data, trends)
