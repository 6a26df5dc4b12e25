"""The tables of inference in the terminal: latencies, one after the other and under load, and throughputs."""

from __future__ import annotations

from benchmarks.inference import BATCHES, BOUND_SECONDS, LOADS
from pytest_duet.record.metrics import as_time
from pytest_duet.report.text_table import or_dash, wrapped, write_table

BOUND = f"{1000 * BOUND_SECONDS:g} ms"
LATENCIES = ("p50_seconds", "p90_seconds", "p99_seconds", *(f"p99_at_{100 * load:.0f}_seconds" for load in LOADS))
LATENCY_HEADINGS = (
    "network",
    "p50",
    "p90",
    "p99",
    "longest",
    *(f"p99 at {load:.0%}" for load in LOADS),
    f"p99 < {BOUND}",
)
LATENCY_LEGEND = (
    "p50 to p99, longest: of {requests:,} requests of one image in each trial, one after the other. At 50%: requests "
    "arrive by themselves (Poisson), so many that it is busy for that share of the time; their latency counts from the "
    "arrival. The last column: how many may arrive in a second until the 99th percentile is more. Begun late, for the "
    "measurement's own sake: 99 of 100 requests by no more than {late}."
)
NETWORK_HEADINGS = ("network", "products in", "weights 0", "test accuracy", "file")
THROUGHPUT_LEGEND = "Images a second, by how many are in a request; the medians over trials."


def show(terminalreporter, rows):
    """Write a table for each of the two that was asked for, one line a network; nothing where none was.

    :param rows: pairs of a :class:`pytest_duet.record.row.Row` and the ``extra_info`` that it stands in.
    """
    by_kind, networks = {"latency": [], "throughput": []}, {}
    for row, extra_info in rows:
        if "inference" in extra_info:
            by_kind[extra_info["inference"]].append((row, extra_info))
            networks[row.subject] = extra_info
    if its := sorted(by_kind["latency"], key=lambda both: both[0].typical("p50_seconds") or 0.0):
        write_table(terminalreporter, "latency", LATENCY_HEADINGS, map(_latencies, its), right=LATENCY_HEADINGS[1:])
        late = as_time(max(extra_info["lateness_seconds"] for _, extra_info in its))
        legend = LATENCY_LEGEND.format(requests=min(extra_info["requests"] for _, extra_info in its), late=late)
        terminalreporter.write(f"{wrapped(legend)}\n")
    if its := sorted(by_kind["throughput"], key=lambda both: both[0].typical("seconds") or 0.0):
        headings = ("network", *(f"by {batch}" for batch in BATCHES))
        write_table(terminalreporter, "throughput", headings, map(_rates, its), right=headings[1:])
        terminalreporter.write(f"{wrapped(THROUGHPUT_LEGEND)}\n")
    if any(
        info["precision"] != "fp32" or info.get("zero_share") for info in networks.values()
    ):  # else they are all alike
        lines = [_network(name, info) for name, info in networks.items()]
        write_table(terminalreporter, "networks", NETWORK_HEADINGS, lines, right=NETWORK_HEADINGS[2:])


def _latencies(both):
    row, extra_info = both
    p50, p90, p99, *loaded = [_time(row.typical(name)) for name in LATENCIES]
    rate = or_dash("{:,.0f}/s", row.typical("requests_per_second"))
    return [row.subject, p50, p90, p99, _time(extra_info["longest_seconds"]), *loaded, rate]


def _network(name, info):
    size = info["file_bytes"]
    zero = f"{info.get('zero_share', 0.0):.0%}"
    return [
        name,
        info["precision"],
        zero,
        f"{info['test_accuracy']:.2%}",
        "-" if size is None else f"{size / 2**20:.2f} MiB",
    ]


def _rates(both):
    row, _ = both
    return [row.subject, *(or_dash("{:,.0f}", row.typical(f"images_per_second_by_{batch}")) for batch in BATCHES)]


def _time(seconds):
    return "-" if seconds is None else as_time(seconds)
