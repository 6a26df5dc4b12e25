"""The seed experiment's pictures, from this run: mean epoch time, accuracy and memory, and time over the epochs."""

from __future__ import annotations

from pathlib import Path

import altair as alt

from benchmarks.report.columns import trained
from benchmarks.report.csv_files import epochs_of
from benchmarks.summary import mean_and_deviation
from pytest_duet.report.additions import Section
from pytest_duet.report.charts import Chart, chart, colour
from pytest_duet.report.reading import conditions, device_title

# As published: means over 6 runs of 6 epochs, the first with its compilation included, all in one process; the memory
# is the device's increase by NVML, whose standard deviations are as large as the values.
PUBLISHED = [
    {"subject": "JAX", "time_mean": 0.570, "accuracy_mean": 0.8891, "peak_memory_mib_mean": 29.8},
    {"subject": "PyTorch", "time_mean": 1.520, "accuracy_mean": 0.8886, "peak_memory_mib_mean": 29.8},
    {"subject": "Keras", "time_mean": 2.782, "accuracy_mean": 0.8878, "peak_memory_mib_mean": 44.5},
]
SEED = {"data": "mnist", "layer_sizes": [784, 1024, 1024, 10], "batch_size": 128, "epochs": 6}
PUBLISHED_ON = "NVIDIA RTX A5000"
MEASURES = {
    "time": "seconds of an epoch, the first included",
    "accuracy": "test accuracy after the last epoch",
    "peak_memory_mib": "peak memory, MiB",
    "avg_memory_mib": "average memory, MiB",
}


def section(material):
    """Return the section."""
    pairs = trained(material.gathered.rows.values())
    found = epochs(pairs)
    means = rows(found)
    published = [{**row, "device": PUBLISHED_ON} for row in PUBLISHED]
    shown = {"rows": means, "published": published, "measures": MEASURES, "unlike_the_seed": differences(pairs)}

    def charts():
        bars = {f"seed-{measure}": Chart(mean_chart(measure, material.names), "seed") for measure in MEASURES}
        return {"seed-epochs": Chart(epochs_chart(material.names), "epochs"), **bars}

    title, template = "The seed experiment's pictures", Path(__file__).with_name("seed.html")
    return Section("seed", title, "The seed's pictures", 150, template, shown, {"epochs": found, "seed": means}, charts)


def epochs(pairs):
    """Return the epochs as dictionaries, those of whole epochs: a row an epoch of a trial."""
    return [
        {**epoch, **conditions(row), "device_title": device_title(row.device)}
        for row, training in pairs
        if training.whole_epochs
        for epoch in epochs_of(row, training)
    ]


def differences(pairs):
    """Return what was trained otherwise than the seed experiment did, in words."""
    found = []
    for _, training in pairs:
        asked = {"data": training.dataset.name, **training.workload}
        found += [f"{name} {asked[name]!r}, not {was!r}" for name, was in SEED.items() if asked.get(name, was) != was]
    return list(dict.fromkeys(found))


def rows(found):
    """Return mean and standard deviation of each measure by framework, over all epochs as the seed took them.

    :param found: what :func:`epochs` gave.
    """
    by_subject = {}
    for epoch in found:
        by_subject.setdefault(epoch["subject"], []).append(epoch)
    same = ("subject", "labels", "device", "device_title")
    on_gpu = any(epoch["device"] != "cpu" for epoch in found)
    means = [{**{name: its[0][name] for name in same}, **_means(its, on_gpu)} for its in by_subject.values()]
    return sorted(means, key=lambda row: row["time_mean"])


def _means(its, on_gpu):
    last = max(epoch["epoch"] for epoch in its)
    values = {name: [epoch[name] for epoch in its] for name in MEASURES}
    values["accuracy"] = [epoch["accuracy"] for epoch in its if epoch["epoch"] == last]
    if on_gpu and its[0]["device"] == "cpu":  # the host's memory, which stands for something else
        values |= {"peak_memory_mib": [], "avg_memory_mib": []}
    means = {}
    for name, known in values.items():
        mean, deviation = mean_and_deviation(known)
        means |= {f"{name}_mean": mean, f"{name}_std": deviation}
        if mean is not None and deviation is not None:
            means |= {f"{name}_low": mean - deviation, f"{name}_high": mean + deviation}
    return means


def mean_chart(measure, frameworks):
    """Return the bars of one measure, with the standard deviation on either side."""
    x = alt.X("subject:N", title=None, sort=None, axis=alt.Axis(labelAngle=-40))
    y = alt.Y(f"{measure}_mean:Q", title=MEASURES[measure])
    tooltip = [
        "subject:N",
        alt.Tooltip(f"{measure}_mean:Q", format=".4f"),
        alt.Tooltip(f"{measure}_std:Q", format=".4f"),
    ]
    base = chart("rows").encode(x=x, tooltip=tooltip)
    bars = base.mark_bar(opacity=0.85).encode(y=y, color=colour(frameworks, legend=False))
    spread = base.transform_filter(f"isValid(datum.{measure}_low)").mark_rule(strokeWidth=2)
    return bars + spread.encode(y=f"{measure}_low:Q", y2=f"{measure}_high:Q")


def epochs_chart(frameworks):
    """Return the time of every epoch, a line for each framework's mean over its trials; the first one compiles."""
    x = alt.X("epoch:O", title="epoch", axis=alt.Axis(labelAngle=0))
    base = chart("rows").encode(x=x, color=colour(frameworks))
    lines = base.mark_line(strokeWidth=2).encode(y=alt.Y("mean(time):Q", title="seconds"))
    tooltip = ["subject:N", "run:O", "epoch:O", alt.Tooltip("time:Q", title="seconds", format=".4f")]
    return lines + base.mark_point(opacity=0.5).encode(
        y="time:Q", shape=alt.Shape("subject:N", legend=None), tooltip=tooltip
    )
