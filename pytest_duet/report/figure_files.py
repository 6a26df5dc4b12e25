"""The page's charts as SVG and PNG files, for a README or a CI that shows pictures: ``--figures DIR``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from pytest_duet.atomic import atomic_write
from pytest_duet.report.charts import Datasets, config
from pytest_duet.report.content import Content

WIDTH = 720  # pixels; a PNG has twice as many, for sharp screens
SCALE = 2
LONGEST = 120  # characters of a file's name


def write(directory: Path, page: Content) -> list[Path]:
    """Write every chart that has something to show, and return the paths."""
    import vl_convert

    directory.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    taken: set[str] = set()
    for name, specification in _specifications(page):
        stem = _stem(name, taken)
        specification = {**specification, "width": WIDTH, "config": config(dark=False)}
        for suffix, content in (
            (".svg", vl_convert.vegalite_to_svg(specification).encode()),
            (".png", vl_convert.vegalite_to_png(specification, scale=SCALE)),
        ):
            paths.append(directory / f"{stem}{suffix}")
            atomic_write(paths[-1], content)
    return paths


def _stem(name: str, taken: set[str]) -> str:
    """Return a file's name without its ending, one that no other picture has."""
    stem = base = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:LONGEST] or "chart"
    for number in count(2):
        if stem not in taken:
            break
        stem = f"{base}-{number}"
    taken.add(stem)
    return stem


def _specifications(page: Content) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the charts as name and specification with its rows; those without any are left out."""
    for name, chart in page.charts.items():
        for title, datasets in chart.datasets(name, page.data):
            if any(datasets.values()):
                yield title, _with_own_legend(_without_empty_layers(chart.specification(), datasets), datasets)


def _without_empty_layers(specification: dict[str, Any], datasets: Datasets) -> dict[str, Any]:
    """Leave out what has nothing to show, as page.js does."""
    specification = {**specification, "datasets": datasets}
    if "layer" in specification:
        specification["layer"] = [
            layer for layer in specification["layer"] if _shows(layer, specification.get("data"), datasets)
        ]
    return specification


def _with_own_legend(specification: dict[str, Any], datasets: Datasets) -> dict[str, Any]:
    """Let a legend name those that the chart shows, likewise."""
    own = {row.get("subject") for rows in datasets.values() for row in rows}
    for part in (specification, *specification.get("layer", ())):
        colour = part.get("encoding", {}).get("color", {})
        if colour.get("field") == "subject" and colour.get("legend"):
            colour["legend"]["values"] = [name for name in colour["scale"]["domain"] if name in own]
    return specification


def _shows(layer: dict[str, Any], data: Any, datasets: Datasets) -> bool:
    encoding = layer.get("encoding", {})
    fields = [encoding[channel].get("field") for channel in ("x", "x2", "y", "y2") if channel in encoding]
    rows = datasets[layer.get("data", data)["name"]]
    return any(all(row.get(field) is not None for field in fields if field) for row in rows)
