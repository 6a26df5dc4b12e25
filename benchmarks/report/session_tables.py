"""The suite's own tables at the end of a session, in the terminal and, where asked for, as CSV."""

from __future__ import annotations

from benchmarks.report import csv_files, gpu_table
from benchmarks.report import framework_table as terminal


def show(terminalreporter, rows, csv_directory=None, machine=""):
    """Show the rows of one machine.

    :param rows: of each benchmark its :class:`Row` and its :class:`benchmarks.training_row.TrainingRow`.
    :param csv_directory: where the CSV files go; None for none.
    :param machine: its name, where the session measured several.
    """
    if not rows:
        return
    if machine:
        terminalreporter.section(machine)
    terminal.show(terminalreporter, rows)
    gpu_table.show(terminalreporter, rows)
    for path in csv_files.write(rows, csv_directory) if csv_directory else ():
        terminalreporter.write_line(f"wrote {path}")
