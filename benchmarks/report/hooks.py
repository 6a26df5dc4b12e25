"""What the suite adds to every report: words, columns, sections and CSV files."""

from __future__ import annotations


def pytest_duet_report_words():
    from benchmarks.report.columns import WORDS

    return WORDS


def pytest_duet_report_columns():
    from benchmarks.report.columns import COLUMNS

    return COLUMNS


def pytest_duet_report_sections(material):
    from benchmarks.report import budget, seed, traces, tradeoff

    return [each.section(material) for each in (seed, tradeoff, budget, traces)]


def pytest_duet_report_csv(rows, directory):
    from benchmarks.report import csv_files
    from benchmarks.report.columns import trained

    return csv_files.write(found, directory) if (found := trained(rows)) else None
