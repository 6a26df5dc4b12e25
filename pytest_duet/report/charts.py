"""What the charts share: Altair, the colours, and charts whose rows are bound to them later, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt

# After Okabe and Ito's palette, which the colour-blind can tell apart; each has a contrast of 3 to 1 or more with the
# page's background, light or dark.
LIGHT = ("#0072b2", "#d55e00", "#00866a", "#b4568e", "#a07800", "#3a84c4", "#8a63c9", "#c24a4a", "#5f7f1f", "#7a7a7a")
DARK = ("#56b4e9", "#f28c38", "#35c79f", "#e39ac4", "#e0bd55", "#8ac4f5", "#b9a0ee", "#f08d8d", "#a3c95c", "#b5b5b5")
BLUE, ORANGE, GREEN, VIOLET = 0, 1, 2, 6  # places of colours with a meaning of their own
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "stroke")
FONT = "system-ui, sans-serif"
HEIGHT = 260  # pixels
TEXT = {"labelFontSize": 12, "titleFontSize": 12}
ROW_HEIGHT = 26  # of a chart with a line for each subject


Datasets = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Chart:
    """A chart of a section: what is drawn, and of which of the page's rows.

    :param made: Altair's, over rows of the name "rows".
    :param rows: their key in the page's data; "trend" and "ratio" are the rows that page.js makes of its columns.
    :param height: in pixels.
    :param where: fields of the rows, and what they must be.
    :param pictures: yields name and rows of each picture where they are no plain rows of the data.
    """

    made: Any
    rows: str
    height: int = HEIGHT
    where: dict[str, str] = field(default_factory=dict)
    pictures: Callable[[], Iterable[tuple[str, Datasets]]] | None = None

    def specification(self) -> dict[str, Any]:
        """Return Vega-Lite's specification, as wide as the page lets it be."""
        made: dict[str, Any] = self.made.properties(width="container", height=self.height).to_dict()
        return made

    def datasets(self, name: str, data: dict[str, Any]) -> Iterable[tuple[str, Datasets]]:
        """Return name and rows of each picture that is drawn from it.

        :param name: the chart's.
        :param data: the page's.
        """
        if self.pictures:
            return self.pictures()
        wanted = self.where.items()
        return [(name, {"rows": [row for row in data[self.rows] if all(row.get(key) == its for key, its in wanted)]})]


def chart(rows: str) -> Any:
    """Return an empty chart over named rows.

    :param rows: the name by which the page, or a file's writer, binds them.
    """
    return alt.Chart(alt.NamedData(rows))


def config(dark: bool) -> dict[str, Any]:
    """Return Vega-Lite's configuration in the page's light or dark colours."""
    ink, line = ("#e8e8e8", "#555555") if dark else ("#222222", "#cccccc")
    colours = DARK if dark else LIGHT
    axis = {"labelColor": ink, "titleColor": ink, "gridColor": line, "domainColor": line, "tickColor": line}
    return {
        "background": "transparent" if dark else "white",
        "font": FONT,
        "axis": {**axis, **TEXT, "gridOpacity": 0.5, "labelLimit": 220, "titleFontWeight": "normal"},
        "axisQuantitative": {"tickCount": 8},
        "legend": {
            **TEXT,
            "labelLimit": 320,
            "labelColor": ink,
            "titleColor": ink,
            "orient": "bottom",
            "symbolLimit": 0,
            "layout": {"bottom": {"direction": "vertical", "anchor": "start"}},
            "titleFontWeight": "normal",
        },
        "title": {"color": ink, "fontWeight": "normal", "anchor": "start"},
        "text": {"color": ink},
        "view": {"stroke": line},
        "rule": {"color": ink},
        "range": {"category": list(colours), "symbol": list(SHAPES)},
        "style": {
            "run": {"color": colours[BLUE]},
            "window": {"color": colours[GREEN]},
            "change": {"color": colours[ORANGE]},
            "break": {"color": colours[VIOLET]},
        },
    }


def colour(names: Sequence[str], legend: bool = True) -> Any:
    """Return the encoding that gives each subject its colour, the same in all charts.

    :param names: of all that the page shows.
    """
    scale = alt.Scale(domain=list(names))
    return alt.Color("subject:N", scale=scale, legend=alt.Legend(title=None) if legend else None)
