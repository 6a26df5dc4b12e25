"""The tables of inference in the terminal: latencies, under load too, rates within a bound, and throughputs."""

from __future__ import annotations

from pytest_duet.record.metrics import as_time
from pytest_duet.report.text_table import or_dash, wrapped, write_table

LATENCIES = ("p50", "p90", "p99")
LEGEND = {
    "latency": "latency: of {requests:,} requests of one image each in every trial, one after the other; the median "
    "over trials, and the longest of all.",
    "open load": "open load: requests arrive by themselves (Poisson) so often that answering them takes the share of "
    "its time that is named load; a latency counts from the arrival. Late: by how much the 99th percentile of requests "
    "was begun later than it could have been.",
    "rate within a bound": "rate: the highest at which 99 of 100 such requests have their answer within {bound}.",
    "throughput": "throughput: images a second, so many images a request.",
}


def show(terminalreporter, rows):
    """Write a table for each kind of question that was asked, one line a network; nothing where none was.

    :param rows: pairs of a :class:`pytest_duet.record.row.Row` and the ``extra_info`` that it stands in.
    """
    by_kind = {}
    for row, extra_info in rows:
        if "inference" in extra_info:
            by_kind.setdefault(extra_info["inference"], []).append((row, extra_info))
    told = {"latency": _latency, "open load": _open_load, "rate within a bound": _rates, "throughput": _throughput}
    for kind, its in by_kind.items():
        headings, lines = told[kind](its)
        write_table(terminalreporter, kind, headings, lines, right=headings[1:])
        _, some = its[0]
        known = {"requests": some.get("requests"), "bound": as_time(some.get("bound_seconds", 1.0))}
        terminalreporter.write(f"{wrapped(LEGEND[kind].format(**known))}\n")


def _time(row, metric):
    seconds = row.typical(metric)
    return "-" if seconds is None else as_time(seconds)


def _percentiles(row):
    return [_time(row, f"{name}_seconds") for name in LATENCIES]


def _by(metric):
    return lambda its: its[0].typical(metric) or 0.0


def _latency(its):
    lines = [
        [row.subject, *_percentiles(row), as_time(extra_info["max_seconds"])]
        for row, extra_info in sorted(its, key=_by("p50_seconds"))
    ]
    return ("network", *LATENCIES, "longest"), lines


def _open_load(its):
    lines = [
        [
            row.subject,
            f"{extra_info['load']:.0%}",
            f"{extra_info['rate']:,.0f}/s",
            *_percentiles(row),
            as_time(extra_info["lateness_seconds"]),
        ]
        for row, extra_info in sorted(its, key=lambda its: (its[1]["load"], _by("p50_seconds")(its)))
    ]
    return ("network", "load", "arrivals", *LATENCIES, "late"), lines


def _rates(its):
    rate = _by("requests_per_second")
    return ("network", "requests"), [
        [its[0].subject, f"{rate(its):,.0f}/s"] for its in sorted(its, key=rate, reverse=True)
    ]


def _throughput(its):
    batches = sorted({extra_info["batch"] for _, extra_info in its})
    by_network = {}
    for row, extra_info in its:
        by_network.setdefault(row.subject, {})[extra_info["batch"]] = row.typical("images_per_second")
    ranked = sorted(by_network.items(), key=lambda both: -(both[1].get(batches[-1]) or 0.0))
    lines = [[name, *(or_dash("{:,.0f}", rates.get(batch)) for batch in batches)] for name, rates in ranked]
    return ("network", *(f"batch {batch}" for batch in batches)), lines
