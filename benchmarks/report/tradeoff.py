"""Time against memory, for rows that train the same to the same accuracy."""

from __future__ import annotations

from pathlib import Path
from statistics import median_low

import altair as alt

from benchmarks.proof.parity import accuracies_agree
from benchmarks.training_row import TrainingRow
from pytest_duet.report.additions import Section
from pytest_duet.report.charts import Chart, chart, colour
from pytest_duet.report.reading import SOURCES, device_title

HEIGHT = 320  # pixels


def section(material):
    """Return the section."""
    panels = tradeoffs(row for row in material.compared if _is_whole(material.gathered.rows[row["benchmark"]]))

    def charts():
        made = tradeoff_chart(material.names)
        return {f"tradeoff:{title}": Chart(made, "tradeoff", HEIGHT, {"panel": title}) for title in panels}

    data = {"tradeoff": [{**row, "panel": title} for title, rows in panels.items() for row in rows]}
    title = "Time against memory, at equal accuracy"
    template = Path(__file__).with_name("tradeoff.html")
    return Section("tradeoff", title, "Time and memory", 140, template, {"panels": list(panels)}, data, charts)


def tradeoffs(compared):
    """Return the rows that compare in time and memory: ``{title: rows}``, by device, workload and memory source.

    All of a panel's rows have the same accuracy, which is that of most: others train something else.
    """
    panels = {}
    for row in compared:
        if row["accuracy"] is None:
            continue
        for source, title in SOURCES.items():
            if row[source] is not None and (row["device"] != "cpu" or source == "host_peak_rss_bytes"):
                title = f"{device_title(row['device'])}; {row['work']}: {title}"
                panels.setdefault(title, []).append({**row, "mebibytes": row[source] / 2**20, "source": source})
    alike = {title: _of_the_usual_accuracy(rows) for title, rows in panels.items()}
    return {
        f"{title}, at an accuracy of {rows[0]['accuracy']:.4f}": rows for title, rows in alike.items() if len(rows) > 1
    }


def _is_whole(entry):
    training = TrainingRow.from_json(entry[1])
    return training is not None and training.epoch_seconds is not None


def _of_the_usual_accuracy(rows):
    usual = median_low(row["accuracy"] for row in rows)
    return [row for row in rows if accuracies_agree(row["accuracy"], usual)]


def tradeoff_chart(frameworks):
    """Return the chart of one panel."""
    return (
        chart("rows")
        .mark_point(size=110, filled=True, opacity=0.9)
        .encode(
            x=alt.X("seconds:Q", title="seconds of an epoch"),
            y=alt.Y("mebibytes:Q", title="peak memory, MiB"),
            color=colour(frameworks),
            shape=alt.Shape("labels.execution:N", legend=alt.Legend(title=None)),
            tooltip=[
                "subject:N",
                "labels.execution:N",
                alt.Tooltip("seconds:Q", format=".3f"),
                alt.Tooltip("mebibytes:Q", title="MiB", format=",.0f"),
                alt.Tooltip("accuracy:Q", format=".4f"),
            ],
        )
    )
