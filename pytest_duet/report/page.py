"""One HTML file that works offline: what the sections say, as text and tables, and the charts that a browser draws."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pytest_duet.record.metrics import SHORT_SECONDS
from pytest_duet.report.additions import Section
from pytest_duet.report.charts import Chart, config
from pytest_duet.report.content import Content
from pytest_duet.report.reading import filters

HERE = Path(__file__).parent


def _figure(value: float | None, form: str) -> str:
    """Return a number as a table shows it; ``"seconds"`` as a form has as many digits as a short time needs."""
    if value is None:
        return "-"
    if form == "seconds":
        form = "{:.3f}" if value >= SHORT_SECONDS else "{:.3g}"
    return form.format(value)


def render(content: Content, other: dict[str, Any] | None = None) -> str:
    """Return the page as text.

    :param other: what :func:`pytest_duet.report.two_runs.compare` gave, to be shown beside.
    """
    environment = _environment()
    environment.globals["words"] = content.material.words
    specifications = {name: _drawn(chart) for name, chart in content.charts.items()}
    text: str = environment.get_template("page.html").render(
        **content.shown,
        sections=[(section, _body(environment, section)) for section in content.sections if section.template],
        other=other,
        data=_embeddable(content.data),
        charts=_embeddable({"specs": specifications, "light": config(dark=False), "dark": config(dark=True)}),
        bundle=_bundle(),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        style=(HERE / "page.css").read_text(encoding="utf-8"),
    )
    return text


def _body(environment: Environment, section: Section) -> Markup:
    assert section.template
    template = environment.from_string(section.template.read_text(encoding="utf-8"))
    return Markup(template.render(**section.shown))


def _drawn(chart: Chart) -> dict[str, Any]:
    return {"spec": chart.specification(), "rows": chart.rows, "where": chart.where}


def _embeddable(value: Any) -> str:
    """Return JSON that cannot end the script element it stands in."""
    text = msgspec.json.encode(value).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def _bundle() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script."""
    import vl_convert

    script: str = vl_convert.javascript_bundle()  # type: ignore[call-arg,unused-ignore]  # its stub wants what it need not
    return script.replace("</script", "<\\/script")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        figure=_figure,
        code=lambda text: Markup(re.sub("`(.+?)`", r"<code>\1</code>", str(escape(text)))),
        filters=filters,
        raw=lambda value: "" if value is None else repr(value),
    )
    return environment
