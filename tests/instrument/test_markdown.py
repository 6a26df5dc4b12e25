"""The Markdown table says what the saved run says, and docs/whole-field.md shows that table."""

import json
import re

import pytest
from support import ROOT

from benchmarks.report.columns import COLUMNS, WORDS
from pytest_duet.record.saved_run import Run
from pytest_duet.report import markdown
from pytest_duet.report.saved_runs import entries

PAGE = (ROOT / "docs" / "whole-field.md").read_text()
SAVED = json.loads((ROOT / re.search(r"\(\.\./(results/\S+-all\.json)\)", PAGE)[1]).read_text())


def table(saved):
    """Return the suite's table."""
    return markdown.table(entries(Run.from_json("", saved)), words=WORDS, columns=COLUMNS)


def only_row(versions=None, **changed):
    """Return the cells of the table's only row, an entry of the saved run with some fields changed."""
    (benchmark,) = [row for row in SAVED["benchmarks"] if row["extra_info"]["duet"]["subject"] == "torch"]
    extra_info = benchmark["extra_info"]
    row = dict(extra_info["duet"], versions=versions or extra_info["duet"]["versions"])
    changed = {**extra_info, "duet": row, **changed}
    *_, line = table({"benchmarks": [{"fullname": "torch", "extra_info": changed}]}).splitlines()
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_s_table_is_the_saved_run_s():
    assert table(SAVED) in PAGE


@pytest.mark.parametrize(
    ("environment", "shown"), [("paddle", "paddle, Python 3.11"), ("cpu", "cpu, Python 3.11"), (None, "Python 3.11")]
)
def test_an_environment_is_named_where_it_is_known(environment, shown):
    assert only_row(environment=environment, python="3.11.9")[3] == shown


def test_an_unknown_version_is_left_out():
    versions = {"caffe2.python": "unknown", "torch": "1.10.2", "onnx": "1.16.2"}
    assert only_row(versions=versions)[1] == "torch 1.10.2 onnx 1.16.2"
    assert only_row(versions={"mine": "unknown"})[1] == ""
