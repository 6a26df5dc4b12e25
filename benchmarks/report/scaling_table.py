"""The tables of data parallel training in the terminal: epochs, speed-ups and what communication takes of them."""

from __future__ import annotations

from pytest_duet.report.text_table import or_dash, wrapped, write_table

HEADINGS = ("engine", "devices", "batch", "images/s", "speed-up", "efficiency", "communication")
LEGEND = (
    "speed-up: how many times the images a second of the fewest devices; efficiency: as a share of what so many more "
    "devices could; communication: the share of an epoch that each rank does without where it trains by its part of "
    "the batches alone, waiting for nobody. Strong: all share the batch of one; weak: each has a batch of its own."
)


def show(terminalreporter, rows):
    """Write a table for each kind of scaling, an engine's devices one after the other; nothing without any.

    :param rows: pairs of a :class:`pytest_duet.record.row.Row` and the ``extra_info`` that it stands in.
    """
    by_kind = {}
    for row, extra_info in rows:
        if "scaling" in extra_info:
            by_kind.setdefault(extra_info["scaling"], []).append((row, extra_info))
    for kind, its in by_kind.items():
        its = sorted(its, key=lambda both: (both[0].subject, both[1]["devices"]))
        write_table(terminalreporter, kind, HEADINGS, [cells(*both, its) for both in its], right=HEADINGS[1:])
    if by_kind:
        terminalreporter.write(f"{wrapped(LEGEND)}\n")


def cells(row, info, its):
    """Return a row's cells as text."""
    first, at_first = next(both for both in its if both[0].subject == row.subject)
    rate, before = (its_rate(*each) for each in ((row, info), (first, at_first)))
    times = rate / before if rate and before else None
    share = times / (info["devices"] / at_first["devices"]) if times else None
    return [
        row.subject,
        str(info["devices"]),
        str(info["batch_size"]),
        or_dash("{:,.0f}", rate),
        or_dash("{:.2f}", times),
        or_dash("{:.0%}", share),
        or_dash("{:.0%}", row.typical("communication_share")),
    ]


def its_rate(row, info):
    """Return the images a second, None where nobody knows."""
    seconds = row.typical("seconds")
    return info["images"] / seconds if seconds else None
