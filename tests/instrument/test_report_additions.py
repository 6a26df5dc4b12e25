"""A report knows no suite: what only a suite knows comes in by hooks, and is treated as the instrument's own."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import report_extra  # noqa: F401
from made_runs import run, write
from support import ROOT

from benchmarks.metrics import ACCURACY
from benchmarks.proof.parity import ACCURACY_TOLERANCE
from benchmarks.report import hooks
from pytest_duet.errors import DuetError
from pytest_duet.plugin import extensions
from pytest_duet.record import old_schemas
from pytest_duet.report import additions, outputs, page, two_runs
from pytest_duet.report.additions import Column, Section, Words
from pytest_duet.report.charts import Chart, chart
from pytest_duet.report.content import content
from pytest_duet.report.gather import gather

REAL = ROOT / "results" / "2026-11-21-cpu-2-cores.json"
EVIL = "<script>alert(1)</script>"
OWN = ["comparison", "first", "trials", "about"]
COMMAND = """
import argparse, sys
from pytest_duet.commands import report_command
parser = argparse.ArgumentParser()
report_command.add_parser(parser.add_subparsers())
chosen = parser.parse_args(["report", *sys.argv[1:]])
chosen.run(chosen)
sys.exit([name for name in sys.modules if name.startswith("benchmarks.report")] or 0)
"""


def saved(tmp_path, data):
    (tmp_path / "run.json").write_text(json.dumps(data))
    return tmp_path / "run.json"


def names(found):
    return [section.name for section in found.sections if section.template]


@pytest.fixture
def added(tmp_path):
    """Return the hooks of a suite with a word, a column and a section of its own."""
    template = tmp_path / "mine.html"
    template.write_text('{% from "macros.html" import figure_of %}<p>{{ text }}</p>{{ figure_of("mine:bars", text) }}')
    bars = Chart(chart("rows").mark_bar().encode(x="value:Q"), "mine", where={"kind": "shown"})
    rows = [{"kind": kind, "value": value} for kind, value in (("shown", 1), ("hidden", 2))]
    section = Section("mine", EVIL, "Mine", 250, template, {"text": EVIL}, {"mine": rows}, lambda: {"mine:bars": bars})
    columns = [
        Column("loops", lambda row, others: others.get("loops"), "{:.1f}", page="loops", markdown="loops", place=45),
        Column("none", lambda row, others: None, page="unheard of", place=46, optional=True),
    ]
    plugin = SimpleNamespace(
        pytest_duet_report_words=lambda: Words("Mine, measured", "kernel", "launch"),
        pytest_duet_report_columns=lambda: columns,
        pytest_duet_report_sections=lambda material: [section],
    )
    return extensions.manager(plugin).hook


def test_the_command_without_a_suite_reports_on_the_suite_s_runs(tmp_path):
    line = [sys.executable, "-c", COMMAND, str(REAL), f"--output={tmp_path}/page.html", f"--markdown={tmp_path}/a.md"]
    done = subprocess.run(line, cwd=ROOT, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, ""), "and imports nothing of it"
    html = (tmp_path / "page.html").read_text().partition('<script type="application/json"')[0]
    assert "Benchmarks, measured" in html and "first round, s" in html and "batch 128" in html
    assert "seed experiment" not in html and "images/s" not in html and "measured peak" not in html
    assert (tmp_path / "a.md").read_text().splitlines()[2].startswith("| benchmark | version | environment | round |")


def test_no_line_of_the_report_or_the_doctor_imports_a_suite():
    package = ROOT / "pytest_duet"
    files = [*package.glob("report/**/*.py"), *package.glob("doctor/*.py"), *package.glob("commands/*_command.py")]
    assert len(files) > 20
    lines = [line.strip() for file in files for line in file.read_text().splitlines()]
    assert [line for line in lines if line.startswith(("from benchmarks", "import benchmarks"))] == []


def test_the_suite_adds_its_sections_among_the_instrument_s():
    gathered = gather([REAL])
    assert names(content(gathered)) == OWN
    suite = content(gathered, extensions.manager(hooks).hook)
    assert names(suite) == ["comparison", "first", "budget", "tradeoff", "seed", "trials", "about"]
    assert {"epochs", "seed", "tradeoff", "budget"} == set(suite.data) - set(content(gathered).data)


def test_traces_are_linked_where_a_run_has_some(tmp_path):
    data = json.loads(REAL.read_text())
    data["benchmarks"][0]["extra_info"]["trace"] = "/a place/traces/mine"
    subject = data["benchmarks"][0]["extra_info"].get("duet", data["benchmarks"][0]["extra_info"]).get("subject")
    gathered = gather([saved(tmp_path, data)])
    found = content(gathered, extensions.manager(hooks).hook)
    (section,) = (each for each in found.sections if each.name == "traces")
    assert section.template and list(section.shown["traces"].values()) == ["/a place/traces/mine"]
    assert subject is None or list(section.shown["traces"]) == [subject]


def test_a_section_of_a_plugin_is_treated_as_the_others_are(tmp_path, added):
    for number in (1, 2):
        write(tmp_path / "storage", number)
    gathered = gather((), tmp_path / "storage")
    found = content(gathered, added)
    assert names(found) == ["comparison", "trends", "mine", "trials", "about"], "by their places"
    html = page.render(found)
    assert EVIL not in html and html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3, "its text is text"
    assert '<a href="#mine">Mine</a>' in html and 'data-chart="mine:bars"' in html
    written = list(outputs.write(gathered, figures=tmp_path / "figures", hook=added))
    assert {"mine-bars.svg", "mine-bars.png"} <= {path.name for path in written}
    ((_, datasets),) = found.charts["mine:bars"].datasets("mine:bars", found.data)
    assert [row["value"] for row in datasets["rows"]] == [1]


def test_a_column_of_a_plugin_stands_in_its_place(tmp_path, added):
    gathered = gather([saved(tmp_path, run(loops=12.34))])
    found = content(gathered, added)
    assert found.data["comparison"][0]["loops"] == 12.34
    html = page.render(found)
    headings = ("loops", "host memory, peak RSS, MiB", "trials")
    assert "".join(f'<th scope="col">{heading}</th>' for heading in headings) in html
    assert "unheard of" not in html, "nobody has one"
    assert "Mine, measured" in html and "The kernels side by side" in html
    *_, headings, _, cells = outputs.as_markdown(gathered, found).splitlines()
    assert headings == "| kernel | version | environment | launch | loops | first launch | memory, host |"
    assert "| 12.3 |" in cells


def test_a_suite_s_own_metrics_and_labels_are_shown_by_their_names(tmp_path):
    """Whoever wrote the row: it says what its metrics are, and no name of any suite is known here."""
    for number in (1, 2):
        data = run(("rows", "columns"), number=number)
        for bench, layout in zip(data["benchmarks"], ('"><b>', "plain")):
            rate = {"title": "throughput", "unit": "items/s", "better": "higher", "values": [number * 10.0] * 3}
            time = {"title": "time of a scan", "unit": "s", "better": "lower", "values": [1.0] * 3}
            bench["extra_info"]["duet"] |= {"metrics": {"rate": rate, "scan": time}, "labels": {"the 'layout'": layout}}
        write(tmp_path, number, data)
    gathered = gather((), tmp_path)
    found = content(gathered)
    assert found.data["points"]["metrics"] == {"rate": [10.0, 10.0, 20.0, 20.0]}, "the time has a column already"
    assert found.data["metrics"]["rate"] == {"title": "throughput", "unit": "items/s"}
    html = page.render(found)
    for metric, title in (("seconds", "time of a scan, s"), ("rate", "throughput, items/s")):
        assert f'<option value="{metric}">{title}</option>' in html
    assert found.shown["filters"]["the 'layout'"] == ("The 'layout'", ['"><b>', "plain"])
    (filters,) = {text for text in re.findall("data-filters='(.*?)'", html) if "plain" in text}
    assert json.loads(filters) == {"the 'layout'": "plain", "subject": "columns", "device": "cpu"}
    assert "<b>" not in html.partition("<script")[0]
    lines = two_runs.compare(*gathered.runs, gathered.metrics)["rows"]
    assert [(line["title"], line["ratio"], line["b_text"]) for line in lines[:2]] == [
        ("time of a scan", 1.0, "1.000 s"),
        ("throughput", 2.0, "20.0000 items/s"),
    ]


def test_where_nobody_writes_csv_files_it_is_said(tmp_path):
    gathered = gather([saved(tmp_path, run())])
    with pytest.raises(DuetError, match="no plugin here writes CSV files"):
        list(outputs.write(gathered, csv_directory=tmp_path / "csv"))
    assert additions.write_csv(None, [], tmp_path) == []


def test_the_accuracies_of_two_runs_may_both_be_off():
    assert ACCURACY.tolerance == old_schemas.METRICS["accuracy"].tolerance == 2 * ACCURACY_TOLERANCE
