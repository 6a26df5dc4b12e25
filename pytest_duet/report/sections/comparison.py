"""The frameworks side by side: one group for each contract, device and workload, and nothing across groups."""

from __future__ import annotations

from statistics import median_low

import altair as alt

from benchmarks.proof.parity import accuracies_agree
from pytest_duet.report.charts import chart, framework_colour
from pytest_duet.report.saved_runs import contract, is_ours

# Each memory source means something else, so each has a column of its own.
MEMORY = {
    "nvml_process_peak_bytes": "GPU memory, NVML's for the process",
    "allocator_peak_bytes": "live arrays, by the allocator",
    "allocator_reserved_bytes": "the allocator's pool",
    "nvml_device_delta_peak_bytes": "GPU memory, device's increase",
    "host_peak_rss_bytes": "host memory, peak RSS",
}
LEDGER = {"context_floor_bytes": "GPU memory, once the framework is ready", **MEMORY}  # the first is nobody's peak


def rows(run):
    """Return a run's rows as dictionaries, group by group, the fastest of each first; unknown figures are None.

    :param run: :class:`pytest_duet.report.saved_runs.SavedRun` with its data.
    """
    points = {point.benchmark: point for point in run.points}
    found = [_row(bench, points[bench.text("fullname")]) for bench in benches(run) if bench.text("fullname") in points]
    return sorted(found, key=lambda row: (row["group"], row["seconds"]))


def benches(run):
    """Return the benchmarks of a run that have this suite's fields, as :class:`Record`."""
    from pytest_duet.report.lenient import Record

    return [bench for bench in Record(run.data).records("benchmarks") if is_ours(bench)]


def _row(bench, point):
    row = bench.record("extra_info")
    execution, data, precision = contract(row)
    whole = row.get("whole_epochs") is not False and row.number("epoch_seconds") is not None
    return {
        "benchmark": point.benchmark,
        "framework": point.framework,
        "execution": execution,
        "data": data,
        "precision": precision,
        "device": point.device,
        "group": group_title(row),
        "workload": workload(row),
        "seconds": point.seconds,
        "low": point.low,
        "high": point.high,
        "confidence": point.confidence,
        "whole": whole,
        "steps": row.number("steps_per_epoch"),
        "first_epoch_seconds": point.first_epoch_seconds,
        "images_per_second": row.number("images_per_second"),
        "limit_share": limit_share(row),
        "accuracy": point.accuracy,
        "parity_loss": row.number("parity", "loss"),
        "parity_update": row.number("parity", "update"),
        "trials": len(row.records("trials")),
        "disturbed": point.disturbed,
        "versions": versions(row),
        **{source: row.number("memory", source) for source in LEDGER},
    }


def limit_share(row):
    """Return the share of the machine's limit that a row reached; None where it was beaten, and so was none."""
    share = row.number("limit_share")
    return share if share is not None and share <= 1 else None


def versions(row):
    """Return the versions of a row's framework and of what it stands on, in words."""
    known = row.record("versions").data
    parts = [f"{name} {version}" for name, version in known.items() if isinstance(version, str)]
    return ", ".join([*parts, *([f"Python {row.text('python')}"] if row.text("python") else [])])


def group_title(row):
    """Return what all rows of a group have in common, in words: device, contract, workload."""
    return "; ".join(
        filter(None, [device_title(row.text("device")), ", ".join(filter(None, contract(row))), workload(row)])
    )


def device_title(device):
    """Return a row's device as a heading has it."""
    return "CPU" if device == "cpu" else device.removeprefix("gpu:")


def workload(row):
    """Return what a row trained, in words."""
    parts = []
    dataset, sizes = row.text("dataset", "name"), row.record("workload")
    network = sizes.get("layer_sizes")
    if isinstance(network, list):
        parts.append("-".join(map(str, network)))
    parts += [f"batch {sizes.number('batch_size'):g}"] if sizes.number("batch_size") else []
    parts += [dataset] if dataset not in ("", "mnist") else []
    steps = row.number("steps_per_epoch")
    parts += [f"{steps:g} steps"] if row.get("whole_epochs") is False and steps is not None else []
    return "; ".join(parts)


def groups(found):
    """Return the rows by their group, in the order in which they stand."""
    by_group = {}
    for row in found:
        by_group.setdefault(row["group"], []).append(row)
    return by_group


def epoch_chart(frameworks, longest):
    """Return the chart of one group: a line for each framework, its median and its interval.

    :param longest: seconds at the right end, the same for all groups of a device and a workload.
    """
    y = alt.Y("framework:N", sort=None, title=None)  # the rows come in order, the fastest first
    x = alt.X("seconds:Q", title="seconds, from 0: lengths compare", scale=alt.Scale(domain=[0, longest]))
    tooltip = [
        alt.Tooltip("framework:N"),
        alt.Tooltip("seconds:Q", title="median, s", format=".4f"),
        alt.Tooltip("low:Q", title="from, s", format=".4f"),
        alt.Tooltip("high:Q", title="to, s", format=".4f"),
        alt.Tooltip("confidence:Q", title="holds the median with", format=".0%"),
        alt.Tooltip("trials:Q"),
    ]
    base = chart("rows").encode(y=y, color=framework_colour(frameworks, legend=False), tooltip=tooltip)
    whisker = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=3).encode(x="low:Q", x2="high:Q")
    return whisker + base.mark_point(size=90, filled=True, opacity=1).encode(x=x)


def tradeoff_chart(frameworks):
    """Return the chart of time against memory, for rows of one device, one memory source and one accuracy."""
    return (
        chart("rows")
        .mark_point(size=110, filled=True, opacity=0.9)
        .encode(
            x=alt.X("seconds:Q", title="seconds of an epoch"),
            y=alt.Y("mebibytes:Q", title="peak memory, MiB"),
            color=framework_colour(frameworks),
            shape=alt.Shape("execution:N", legend=alt.Legend(title=None)),
            tooltip=[
                "framework:N",
                "execution:N",
                alt.Tooltip("seconds:Q", format=".3f"),
                alt.Tooltip("mebibytes:Q", title="MiB", format=",.0f"),
                alt.Tooltip("accuracy:Q", format=".4f"),
            ],
        )
    )


def tradeoffs(found):
    """Return the rows that compare in time and memory: ``{title: rows}``, by device, workload and memory source.

    All of a panel's rows have the same accuracy, which is that of most: others train something else.
    """
    panels = {}
    for row in found:
        if row["accuracy"] is None or not row["whole"]:
            continue
        for source, title in MEMORY.items():
            if row[source] is not None and (row["device"] != "cpu" or source == "host_peak_rss_bytes"):
                title = f"{device_title(row['device'])}; {row['workload']}: {title}"
                panels.setdefault(title, []).append({**row, "mebibytes": row[source] / 2**20, "source": source})
    alike = {title: _of_the_usual_accuracy(rows_) for title, rows_ in panels.items()}
    return {
        f"{title}, at an accuracy of {rows_[0]['accuracy']:.4f}": rows_
        for title, rows_ in alike.items()
        if len(rows_) > 1
    }


def _of_the_usual_accuracy(rows_):
    usual = median_low(row["accuracy"] for row in rows_)
    return [row for row in rows_ if accuracies_agree(row["accuracy"], usual)]
