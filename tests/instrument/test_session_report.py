"""``pytest benchmarks --report FILE``: the report of a session, as its users ask for it."""

import json
import re
import subprocess

import pytest
from support import ROOT

SHORT = ("--epochs=2",)
DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def embedded(path):
    """Return the data that a page embeds."""
    return json.loads(DATA.search(path.read_text())[1])


def test_a_session_that_saves_nothing_else_has_its_page_and_ci_its_summary(command, tmp_path):
    summary = tmp_path / "summary.md"
    summary.write_text("what stood there\n")
    page = tmp_path / "report.html"
    line, environment = command(*SHORT, f"--report={page}")
    line = [argument for argument in line if not argument.startswith("--benchmark-json")]
    environment["GITHUB_STEP_SUMMARY"] = str(summary)
    done = subprocess.run(line, cwd=ROOT, env=environment, timeout=120, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout
    assert f"wrote {page}" in done.stdout
    assert not (tmp_path / "run.json").exists() and not list((tmp_path / "storage").rglob("*.json"))
    data = embedded(page)
    assert data["runs"]["name"] == ["this session"] and data["benchmarks"][0]["subject"] == "honest"
    text = summary.read_text()
    assert text.startswith("what stood there\n") and ", honest trains an epoch in " in text and "`honest`" in text


@pytest.mark.slow
def test_beside_a_gate_the_session_appears_once(suite, tmp_path):
    """Its run is saved, in the history and as JSON, before the report reads the history."""
    page = tmp_path / "report.html"
    arguments = ("--gate", "--trials=2", *SHORT, f"--report={page}")
    assert suite(*arguments).exit_code == 0
    (name,) = embedded(page)["runs"]["name"]
    assert (tmp_path / "storage" / name).is_file(), "it has the name that it was saved by"
    run = suite(*arguments)
    assert run.exit_code == 0, run.output
    data = embedded(page)
    saved = sorted((tmp_path / "storage").glob("*/*.json"))
    assert data["runs"]["name"] == [path.relative_to(tmp_path / "storage").as_posix() for path in saved]
    assert data["runs"]["state"] == ["accepted", "accepted"]
    assert data["runs"]["when"] == [json.loads(path.read_text())["datetime"] for path in saved]
    assert {cell["verdict"] for cell in data["gate"]} == {cell["verdict"] for cell in run.json["gate"]["comparisons"]}
    assert data["runs"]["fingerprint"] == [0, 0]


def test_a_page_in_no_folder_is_refused_before_anything_is_measured(suite, tmp_path):
    run = suite(*SHORT, f"--report={tmp_path}/nowhere/report.html")
    assert run.exit_code == 4 and "name a file in a folder that is there" in run.output
    assert "Traceback" not in run.output and not (tmp_path / "run.json").exists()


def test_where_every_benchmark_fails_there_is_a_line_and_no_page(suite, tmp_path):
    page = tmp_path / "report.html"
    run = suite(*SHORT, f"--report={page}", frameworks="wrong-rate")
    assert run.exit_code == 1, run.output
    assert "--report: nothing was measured, so there is no page." in run.output and not page.exists()
