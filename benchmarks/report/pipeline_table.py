"""The table of input pipelines in the terminal."""

from __future__ import annotations

from pytest_duet.record.metrics import as_time
from pytest_duet.report.text_table import or_dash, wrapped, write_table

HEADINGS = ("pipeline", "feeds", "epoch without a model", "images/s", "waiting")
LEGEND = (
    "waiting: share of an epoch of training, one step after the other, in which the model has no next batch yet; the "
    "medians over trials."
)


def show(terminalreporter, rows):
    """Write one line a pipeline, the fastest first; nothing where none was asked for.

    :param rows: pairs of a :class:`pytest_duet.record.row.Row` and the ``extra_info`` that it stands in.
    """
    its = [(row, extra_info["pipeline_feeds"]) for row, extra_info in rows if "pipeline_feeds" in extra_info]
    if its:
        lines = [_cells(*both) for both in sorted(its, key=lambda both: both[0].typical("seconds") or 0.0)]
        write_table(terminalreporter, "input pipelines", HEADINGS, lines, right=HEADINGS[2:])
        terminalreporter.write(f"{wrapped(LEGEND)}\n")


def _cells(row, feeds):
    seconds = row.typical("seconds")
    rate = or_dash("{:,.0f}", row.typical("images_per_second"))
    share = or_dash("{:.1%}", row.typical("waiting_share"))
    return [row.subject, feeds, "-" if seconds is None else as_time(seconds), rate, share]
