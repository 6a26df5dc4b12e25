"""``python -m benchmarks report``: what it writes, prints and exits with, and what it says to nonsense."""

import json
import xml.etree.ElementTree as ElementTree

import pytest
import report_extra  # noqa: F401
from made_runs import FOLDER, benchmark, row, run, write
from support import ROOT

from benchmarks import __main__
from benchmarks.report import csv_files
from benchmarks.training_row import TrainingRow
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.old_schemas import METRICS
from pytest_duet.record.row import Row
from pytest_duet.record.saved_run import GateRecord
from pytest_duet.report import page
from pytest_duet.report.sections.verdict_cards import sentence

REAL = ROOT / "results" / "2026-11-21-cpu-2-cores.json"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def report(tmp_path, capsys, monkeypatch):
    """Return a function that runs the command in an empty folder and gives ``(exit code, stdout, stderr)``."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        try:
            code = __main__.main(["report", *map(str, arguments)])
        except SystemExit as end:  # argparse's
            code = end.code
        return code, *capsys.readouterr()

    return call


def save(path, data):
    path.write_text(json.dumps(data))
    return path


def test_the_page_of_the_history_is_written_where_nothing_else_is_asked_for(report, tmp_path):
    for number in (1, 2, 3):
        write(tmp_path / ".benchmarks", number)
    assert report() == (0, "wrote report.html\n", "")
    html = (tmp_path / "report.html").read_text()
    assert html.startswith("<!doctype html>") and f"{FOLDER}/0003_made.json" in html and "3 runs in this report" in html


def test_the_page_s_own_folder_and_name_may_be_another(report, tmp_path):
    write(tmp_path / "kept", 1)
    assert report("--history=kept", "--output=mine.html") == (0, "wrote mine.html\n", "")
    assert not (tmp_path / "report.html").exists()


def test_what_a_run_says_is_text_on_the_page(report, tmp_path):
    evil = "</script><script>alert(1)</script><img src=x>"
    data = run({f"x[{evil}]": row(evil)})
    data["commit_info"]["branch"] = data["gate"]["comparisons"][0]["note"] = evil
    assert report(save(tmp_path / "a.json", data))[0] == 0
    html = (tmp_path / "report.html").read_text()
    assert "<script>alert" not in html and "<img src=x" not in html and "&lt;img src=x" in html


def test_every_chart_is_a_figure_in_two_formats(report, tmp_path):
    for number in range(1, 4):
        write(tmp_path / ".benchmarks", number, frameworks=("jax", "torch"), seconds=1 + number / 100)
    code, out, _ = report(REAL, "--figures=figures/deep")
    assert code == 0
    written = [tmp_path / line.removeprefix("wrote ") for line in out.splitlines()]
    assert len(set(written)) == len(written), "no figure overwrites another"
    assert sorted(written) == sorted((tmp_path / "figures" / "deep").iterdir())
    stems = {path.stem.partition("-")[0] for path in written}
    assert stems == {"comparison", "first", "trials", "trend", "ratio", "seed", "tradeoff", "budget"}
    for path in written:
        if path.suffix == ".svg":
            text = path.read_text()
            assert ElementTree.fromstring(text).tag.endswith("svg")
            assert "undefined" not in text and "NaN" not in text and "Infinity" not in text, path
        else:
            assert path.suffix == ".png" and path.read_bytes().startswith(PNG)
    assert not (tmp_path / "report.html").exists()


def test_benchmarks_with_one_name_in_two_files_have_a_figure_each(report, tmp_path):
    for number in (1, 2):
        data = run({f"{module}.py::test_x": row() for module in ("a", "b")}, number=number)
        for bench in data["benchmarks"]:
            bench["extra_info"] = {}
        write(tmp_path / ".benchmarks", number, data)
    _, out, _ = report("--figures=figures")
    trends = [line for line in out.splitlines() if "trend" in line and line.endswith(".svg")]
    assert len(set(trends)) == 2


def test_the_markdown_has_the_verdict_what_needs_somebody_and_trends(report, tmp_path):
    for number, seconds in ((1, 1.0), (2, 1.0), (3, 2.0)):
        write(tmp_path / ".benchmarks", number, seconds=seconds, verdicts={"jax": "regressed"} if number == 3 else ())
    assert report("--markdown=summary.md") == (0, "wrote summary.md\n", "")
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("### One of 1 figures got worse: jax's epoch time, +50.0%.\n")
    assert "- jax, epoch time: regressed: 1.000 s → 1.500 s\n" in text
    assert "| trend |" in text and "▁▁█" in text


def test_the_markdown_of_one_run_has_no_trend(report, tmp_path):
    report(save(tmp_path / "a.json", run()), "--markdown=summary.md")
    text = (tmp_path / "summary.md").read_text()
    assert "trend" not in text and len({line.count(" | ") for line in text.splitlines() if line.startswith("|")}) == 1


def test_markdown_s_own_signs_are_text(report, tmp_path):
    name = "![a](b)|b<c>&d\ne`"
    report(save(tmp_path / "a.json", run({benchmark("x"): row(name)}, verdicts={"x": "void"})), "--markdown=summary.md")
    text = (tmp_path / "summary.md").read_text()
    assert "\\!\\[a\\](b)\\|b&lt;c&gt;&amp;d e\\`" in text, "a version's name"
    assert "| `![a](b) b<c>&d e ` |" in text, "a framework's, in a code span that it does not end"


def test_csv_is_what_the_session_would_have_written(report, tmp_path):
    (tmp_path / "wanted").mkdir()
    rows = [bench["extra_info"] for bench in json.loads(REAL.read_text())["benchmarks"]]
    rows = [(Row.from_json(extra_info), TrainingRow.from_json(extra_info)) for extra_info in rows]
    wanted = csv_files.write(rows, tmp_path / "wanted")
    code, out, _ = report(REAL, "--results-csv=found/deep")
    assert (code, out) == (0, "wrote found/deep/results.csv\nwrote found/deep/summary.csv\n")
    for path in wanted:
        assert (tmp_path / "found" / "deep" / path.name).read_bytes() == path.read_bytes()
    assert len((tmp_path / "found" / "deep" / "results.csv").read_text().splitlines()) == 1 + 3 * 3 * 6


def compared(tmp_path, report, a, b, *more):
    """Return the comparison's lines by benchmark and metric, cells apart."""
    paths = [save(tmp_path / f"{name}.json", data) for name, data in (("a", a), ("b", b))]
    code, out, _ = report("--compare", *paths, *more)
    assert code == 0
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in out.splitlines()]
    return {(line[0], line[1]): line[2:] for line in cells if len(line) == 6}


def test_two_runs_are_held_side_by_side(report, tmp_path):
    lines = compared(tmp_path, report, run(seconds=1.0), run(seconds=1.5, number=2))
    name = "test_training_epoch[jax]"
    assert lines[name, "epoch time"] == ["1.000 s", "1.500 s", "1.500", "no"]
    assert lines[name, "accuracy"] == ["0.8800", "0.8800", "1.000", "-"]
    assert not (tmp_path / "report.html").exists(), "the table is what was asked for"
    lines = compared(tmp_path, report, run(seconds=1.0), run(seconds=1.0, number=2), "--output=both.html")
    assert lines[name, "epoch time"][-1] == "yes"
    assert "a.json against b.json" in (tmp_path / "both.html").read_text()


def test_a_benchmark_that_one_side_lacks_has_no_ratio(report, tmp_path):
    lines = compared(tmp_path, report, run(("jax", "keras")), run(("jax", "torch"), number=2))
    assert lines["test_training_epoch[keras]", "epoch time"] == ["1.000 s", "-", "-", "-"]
    assert lines["test_training_epoch[torch]", "epoch time"] == ["-", "1.000 s", "-", "-"]


def test_memory_of_two_sources_has_no_ratio(report, tmp_path):
    host, other, pool = (run(number=number) for number in (1, 2, 3))
    row = pool["benchmarks"][0]["extra_info"]["duet"]
    row["metrics"]["peak_memory_bytes"]["source"] = "allocator_reserved_bytes"
    name = ("test_training_epoch[jax]", "peak memory")
    assert compared(tmp_path, report, host, other)[name][2] == "1.000"
    assert compared(tmp_path, report, host, pool)[name][2] == "-"


def test_a_run_compared_with_itself_has_two_names(report, tmp_path):
    path = save(tmp_path / "a.json", run())
    _, out, _ = report("--compare", path, path)
    assert "a.json (first)" in out and "a.json (second)" in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["99"], "There is no run 99 in .benchmarks"),
        (["nowhere.json"], "There is no run nowhere.json in .benchmarks"),
        (["--history=nowhere"], "There is no folder nowhere of saved runs"),
        (["--compare", "1..2", "3"], "--compare 1..2: that is 2 runs; name one."),
        (["--compare", "1", "99"], "There is no run 99"),
        (["--compare", "1", "3"], "is no run that could be used"),
        (["--output=nowhere/page.html"], "nowhere"),
        (["--output=.benchmarks"], ".benchmarks"),
        (["--figures=file"], "file"),
        (["--results-csv=file"], "file"),
    ],
    ids=" ".join,
)
def test_nonsense_is_told_in_one_line(report, tmp_path, arguments, text):
    for number in (1, 2):
        write(tmp_path / ".benchmarks", number)
    write(tmp_path / ".benchmarks", 3, "{")
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    code, out, error = report(*arguments)
    *remarks, last = error.splitlines()
    assert (code, out) == (2, "") and text in last and "Traceback" not in error
    assert all("0003_made.json" in remark for remark in remarks)
    assert sorted(tmp_path.rglob("*")) == before, "nothing was left behind"


def test_without_a_folder_of_runs_there_is_nothing_to_show(report):
    code, out, error = report()
    assert (code, out) == (2, "") and error.startswith("There is no folder .benchmarks") and error.count("\n") == 1


def test_without_a_folder_of_runs_a_number_is_no_file(report):
    assert report("7") == (2, "", "There is no file 7.\n")


def test_what_cannot_be_used_is_named_beside_the_report(report, tmp_path):
    write(tmp_path / ".benchmarks", 1)
    write(tmp_path / ".benchmarks", 2, "{")
    code, out, error = report()
    assert (code, out) == (0, "wrote report.html\n")
    assert error.startswith(f"{FOLDER}/0002_made.json: ") and error.count("\n") == 1


@pytest.mark.parametrize("error", [OSError("no space left"), RuntimeError("a mistake")], ids=repr)
def test_an_older_page_stays_whole_where_rendering_fails(report, tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    (tmp_path / "report.html").write_text("older")
    write(tmp_path / ".benchmarks", 1)
    monkeypatch.setattr(page, "render", fail)
    if isinstance(error, OSError):
        assert report() == (2, "", "no space left\n")
    else:  # the suite's own mistakes have a traceback
        with pytest.raises(RuntimeError):
            report()
    assert (tmp_path / "report.html").read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".benchmarks", "report.html"]


def gate(*verdicts, failed=0, metric="epoch_seconds", mode="history", interrupted=False, **changed):
    found = [
        Comparison("x", f"f{n}", metric, Verdict(verdict), **{"old": 1.0, "new": 1 + n / 10, "low": n, **changed})
        for n, verdict in enumerate(verdicts, start=1)
    ]
    return GateRecord(mode, None, None, failed, interrupted, tuple(found), metrics=METRICS)


@pytest.mark.parametrize(
    ("said", "text", "tone"),
    [
        (gate("regressed", "clean"), "One of 2 figures got worse: f1's epoch time, +10.0%.", "bad"),
        (
            gate("regressed", "regressed", "void", "the machine", failed=1),
            "2 of 4 figures got worse, most of all f2's epoch time, +20.0%.",
            "bad",
        ),
        (
            gate("regressed", metric="accuracy"),
            "One of 1 figures changed: f1's accuracy, 1.0000 then and 1.1000 now.",
            "bad",
        ),
        (gate("regressed", old=None), "One of 1 figures got worse: f1's epoch time.", "bad"),
        (gate("void", "clean"), "A benchmark failed, so not all could be judged.", "bad"),
        (gate("clean", failed=2), "2 tests failed, so not all could be judged.", "bad"),
        (
            gate("the machine", "the machine", "the machine", "clean"),
            "Everything slowed by the same factor: look at the machine before you look at the code.",
            "open",
        ),
        (
            gate("clean", "improved"),
            "Nothing got worse: all 2 figures are as good as they were, within the margins.",
            "good",
        ),
        (
            gate("clean", "inconclusive", "no baseline"),
            "No regression was found: 1 of 3 figures are clean, 2 cannot be told yet.",
            "open",
        ),
        (
            gate("no baseline", "no baseline"),
            "There is no verdict yet: the gate needs more accepted runs to judge by.",
            "none",
        ),
        (
            gate("no baseline", mode="against"),
            "There is no verdict yet: the gate needs more trials.",
            "none",
        ),
        (
            gate("clean", interrupted=True),
            "The run was interrupted, so not all was measured and judged.",
            "open",
        ),
        (gate(), "The gate was not asked: this report compares, and judges nothing.", "none"),
        (GateRecord(), "The gate was not asked: this report compares, and judges nothing.", "none"),
        (gate("regressed", metric="new"), "One of 1 figures got worse: f1's new, +10.0%.", "bad"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_the_verdict_is_one_sentence(said, text, tone):
    assert sentence(said) == (text, tone)
