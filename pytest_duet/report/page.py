"""One HTML file that works offline: what the sections say, as text and tables, and the charts that a browser draws."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pytest_duet.report.charts import config

HERE = Path(__file__).parent


def render(content, other=None):
    """Return the page of a :class:`pytest_duet.report.content.Content` as text.

    :param other: what :func:`pytest_duet.report.two_runs.compare` gave, to be shown beside.
    """
    template = _environment().get_template("page.html")
    return template.render(
        **content.shown,
        other=other,
        data=_embeddable(content.data),
        charts=_embeddable({"specs": content.charts, "light": config(dark=False), "dark": config(dark=True)}),
        bundle=_bundle(),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        style=(HERE / "page.css").read_text(encoding="utf-8"),
    )


def _embeddable(value):
    """Return JSON that cannot end the script element it stands in."""
    text = orjson.dumps(value).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def _bundle():
    """Return Vega, Vega-Lite and vega-embed as one script."""
    import vl_convert

    return vl_convert.javascript_bundle().replace("</script", "<\\/script")


def _environment():
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        figure=lambda value, form: "-" if value is None else form.format(value),
        mib=lambda value: "-" if value is None else f"{value / 2**20:,.0f}",
        raw=lambda value: "" if value is None else repr(value),
    )
    return environment
