"""Everything that a report is written to: the page, figures, Markdown and CSV."""

from __future__ import annotations

from benchmarks.report import csv_files, figure_files, markdown, page
from benchmarks.report.content import content
from benchmarks.workload.cache import atomic_write


def write(gathered, page_file=None, figures=None, markdown_file=None, csv_directory=None, compared=None):
    """Write what was asked for, each file all or nothing, and yield the paths.

    :param gathered: :class:`benchmarks.report.gather.Gathered`.
    :param compared: what :func:`benchmarks.report.two_runs.compare` gave, for the page.
    """
    if csv_directory:
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


def as_markdown(gathered, found=None):
    """Return the summary as Markdown.

    :param found: its :class:`benchmarks.report.content.Content`, where it is known already.
    """
    found = found or content(gathered)
    trends = {its.benchmark: [point.seconds for point in its.points] for its in found.series}
    return markdown.summary(found.shown["sentence"], found.shown["urgent"], gathered.shown.data, trends)
