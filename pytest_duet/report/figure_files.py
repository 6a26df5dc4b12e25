"""The page's charts as SVG and PNG files, for a README or a CI that shows pictures: ``--figures DIR``."""

from __future__ import annotations

import re
from copy import deepcopy
from itertools import count

from pytest_duet.atomic import atomic_write
from pytest_duet.report.charts import config
from pytest_duet.report.sections import trends

WIDTH = 720  # pixels; a PNG has twice as many, for sharp screens
SCALE = 2
LONGEST = 120  # characters of a file's name


def write(directory, gathered, page):
    """Write every chart that has something to show, and return the paths.

    :param gathered: :class:`pytest_duet.report.gather.Gathered`.
    :param page: :class:`pytest_duet.report.content.Content` of the same.
    """
    import vl_convert

    directory.mkdir(parents=True, exist_ok=True)
    paths, taken = [], set()
    for name, specification in _specifications(gathered, page):
        stem = _stem(name, taken)
        specification = {**specification, "width": WIDTH, "config": config(dark=False)}
        for suffix, content in (
            (".svg", vl_convert.vegalite_to_svg(specification).encode()),
            (".png", vl_convert.vegalite_to_png(specification, scale=SCALE)),
        ):
            paths.append(directory / f"{stem}{suffix}")
            atomic_write(paths[-1], content)
    return paths


def _stem(name, taken):
    """Return a file's name without its ending, one that no other picture has."""
    stem = base = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:LONGEST] or "chart"
    for number in count(2):
        if stem not in taken:
            break
        stem = f"{base}-{number}"
    taken.add(stem)
    return stem


def _specifications(gathered, page):
    """Yield the charts as name and specification with its rows; those without any are left out."""
    for name, made in page.charts.items():
        for title, datasets in _datasets(name, made, gathered.runs, page):
            if any(datasets.values()):
                yield title, _with_own_legend(_without_empty_layers(deepcopy(made["spec"]), datasets), datasets)


def _datasets(name, made, runs, page):
    """Yield a title and the rows of each picture that a chart is drawn for."""
    if name == "trend":
        for its in page.series:
            if len(its.runs) > 1:
                yield f"trend-{its.framework}-{its.benchmark.rpartition('::')[2]}", trends.rows(its, runs, page.dated)
    elif name == "ratio":
        yield name, {"points": trends.ratio_rows(runs, page.data["reference"])}
    elif name == "tradeoff":
        for panel in dict.fromkeys(row["panel"] for row in page.data["tradeoff"]):
            yield f"{name}-{panel}", {"rows": [row for row in page.data["tradeoff"] if row["panel"] == panel]}
    else:
        rows = page.data[made["rows"]]
        yield name, {"rows": [row for row in rows if made["group"] in (None, row.get("group"))]}


def _without_empty_layers(specification, datasets):
    """Leave out what has nothing to show, as page.js does."""
    specification = {**specification, "datasets": datasets}
    if "layer" in specification:
        specification["layer"] = [
            layer for layer in specification["layer"] if _shows(layer, specification.get("data"), datasets)
        ]
    return specification


def _with_own_legend(specification, datasets):
    """Let a legend name the frameworks that the chart shows, likewise."""
    own = {row.get("framework") for rows in datasets.values() for row in rows}
    for part in (specification, *specification.get("layer", ())):
        colour = part.get("encoding", {}).get("color", {})
        if colour.get("field") == "framework" and colour.get("legend"):
            colour["legend"]["values"] = [name for name in colour["scale"]["domain"] if name in own]
    return specification


def _shows(layer, data, datasets):
    encoding = layer.get("encoding", {})
    fields = [encoding[channel].get("field") for channel in ("x", "x2", "y", "y2") if channel in encoding]
    rows = datasets[layer.get("data", data)["name"]]
    return any(all(row.get(field) is not None for field in fields if field) for row in rows)
