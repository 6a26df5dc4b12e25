"""The gate against history, as its users meet it: a run, the runs before it, and what pytest says."""

import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import pytest
from support import ROOT

from benchmarks.__main__ import main
from benchmarks.metrics import FIRST_EPOCH, METRICS
from pytest_duet.plugin import judging
from pytest_duet.plugin.gate import Gate
from pytest_duet.plugin.gate_options import GateOptions
from pytest_duet.record.margins import Margin

# The made histories hardly scatter, and a first epoch of 13 ms is as slow as the machine's mood has it: no regression.
TWO_TRIALS = ("--gate", "--history-alone", "--trials=2", "--epochs=2", "--gate-margin=first_epoch_seconds=900%")


@pytest.fixture(scope="module")
def saved_run():
    """One real run's JSON, made once: the history of these tests is copies of it."""
    return {}


@pytest.fixture
def history(suite, tmp_path, saved_run):
    """Make a history of runs like today's, and return its folder; each metric is today's times a factor."""

    def make(runs=8, rename=lambda name: name, fingerprint=None, **factors):
        if not saved_run:
            first = suite(*TWO_TRIALS)
            assert first.exit_code == 0, first.output
            (path,) = (tmp_path / "storage").glob("*/*.json")
            saved_run.update(json.loads(path.read_text()), folder=path.parent.name)
            shutil.rmtree(tmp_path / "storage")
        folder = tmp_path / "storage" / saved_run["folder"]
        folder.mkdir(parents=True)
        for number in range(1, runs + 1):
            run = json.loads(json.dumps(saved_run))
            run["datetime"] = f"2026-01-{number:02}T00:00:00+00:00"
            run["machine_info"]["fingerprint"].update(fingerprint or {})
            for bench in run["benchmarks"]:
                bench["fullname"] = rename(bench["fullname"])
                _scale(bench["extra_info"], factors, 1 + number % 3 / 1000)  # some noise
            (folder / f"{number:04}_made.json").write_text(json.dumps(run))
        return folder

    return make


def _scale(extra_info, factors, noise):
    row = extra_info["duet"]
    for name in ("epoch_seconds", "first_epoch_seconds"):
        values = row["metrics"][name]["values"]
        row["metrics"][name]["values"] = [values[0] * factors.get(name, 1) * noise for _ in values]
    for trial in row["trials"]:
        trial["memory"]["host_peak_rss_bytes"] *= factors.get("peak_memory_bytes", 1) * noise
        trial["memory"]["host_peak_rss_bytes"] = round(trial["memory"]["host_peak_rss_bytes"])
    accuracy = row["metrics"]["accuracy"]
    accuracy["values"] = [value + factors.get("accuracy", 0) for value in accuracy["values"]]


def verdicts(run):
    return {cell["metric"]: cell["verdict"] for cell in run.json["gate"]["comparisons"]}


def case(run):
    return run.cases["test_training_epoch.gate[honest-dataset=synthetic,layer_sizes=784x32x10,epochs=2]"]


def test_the_first_runs_have_no_verdict_and_make_the_history(suite, tmp_path):
    run = suite(*TWO_TRIALS)
    assert run.exit_code == 0
    assert "no verdict yet (0 of 8 runs)" in run.output
    assert case(run)[0] == "skipped"
    run = suite(*TWO_TRIALS, "--gate-missing=fail")
    assert run.exit_code == 1
    assert "no verdict yet (1 of 8 runs)" in case(run)[1]
    assert len(list((tmp_path / "storage").glob("*/*.json"))) == 2, "--gate saves"


def test_a_regression_is_an_ordinary_failed_test_and_never_the_next_baseline(suite, history):
    folder = history(epoch_seconds=1 / 20)
    run = suite(*TWO_TRIALS)
    assert run.exit_code == 1, run.output
    outcome, message = case(run)
    assert outcome == "failure"
    for part in (
        " → ",
        " %, interval +",
        ", margin ",
        "2 trials against 8 runs",
        "history accept",
    ):
        assert part in message
    assert "Traceback" not in run.output and "gate.py" not in run.output
    assert message.startswith("honest, epoch time: regressed"), "what fails comes first"
    assert "honest, accuracy" not in message and verdicts(run)["accuracy"] == "clean"
    assert len(list(folder.glob("*.json"))) == 9, "saved, for whoever wants to look at it"
    again = suite(*TWO_TRIALS)
    assert verdicts(again)["epoch_seconds"] == "regressed"
    assert "against 8 runs" in case(again)[1]


def test_an_accepted_change_starts_a_new_window(suite, history, tmp_path):
    history(epoch_seconds=1 / 20)
    suite(*TWO_TRIALS)
    assert main(["history", "accept", "latest", f"--storage={tmp_path}/storage", "--why=meant to be so"]) == 0
    run = suite(*TWO_TRIALS)
    assert run.exit_code == 0
    assert "no verdict yet (1 of 8 runs)" in run.output


def test_an_improvement_passes_and_waits_to_be_accepted(suite, history):
    history(epoch_seconds=20)
    run = suite(*TWO_TRIALS)
    assert run.exit_code == 0, run.output
    assert verdicts(run)["epoch_seconds"] == "improved"
    assert verdicts(suite(*TWO_TRIALS))["epoch_seconds"] == "improved", "it did not enter the window"


def test_more_memory_is_a_regression_in_memory_alone(suite, history):
    history(peak_memory_bytes=1 / 2)
    run = suite(*TWO_TRIALS, "--gate-margin=epoch_seconds=900%")
    assert run.exit_code == 1
    assert verdicts(run)["peak_memory_bytes"] == "regressed"
    assert "MiB" in case(run)[1]
    assert list(verdicts(run).values()).count("regressed") == 1


def test_another_accuracy_makes_the_times_void(suite, history):
    history(accuracy=-0.01, epoch_seconds=1 / 20)
    run = suite(*TWO_TRIALS)
    assert run.exit_code == 1
    assert verdicts(run)["accuracy"] == "regressed"
    assert verdicts(run)["epoch_seconds"] == "void"
    assert "its accuracy is not the old one" in case(run)[1]


def test_a_benchmark_that_fails_is_void_not_slow(suite, history):
    history()
    run = suite(*TWO_TRIALS, "--gate-margin=epoch_seconds=900%", frameworks="honest,wrong-rate")
    assert run.exit_code == 1
    cells = {(cell["subject"], cell["metric"]): cell for cell in run.json["gate"]["comparisons"]}
    assert cells["wrong-rate", "epoch_seconds"]["verdict"] == "void"
    assert "parity fails" in cells["wrong-rate", "epoch_seconds"]["note"]
    assert cells["honest", "epoch_seconds"]["verdict"] not in ("void", "no baseline")
    assert run.json["gate"]["failed_tests"] == 1, "so this run counts for nothing"


def test_a_renamed_benchmark_is_said_and_an_alias_carries_its_history_over(suite, history, tmp_path):
    history(rename=lambda name: name.replace("test_training_epoch", "test_old_name"), epoch_seconds=1 / 20)
    run = suite(*TWO_TRIALS, "--gate-missing=fail")
    assert run.exit_code == 1
    assert "Vanished: benchmarks/test_training.py::test_old_name[honest" in run.cases["gate:baseline"][1]
    alias = next(line for line in run.output.splitlines() if "Renamed?" in line).partition("duet_gate_aliases: ")[2]
    assert main(["history", "reject", "latest", f"--storage={tmp_path}/storage"]) == 0  # measured without its history
    run = suite(*TWO_TRIALS, "-o", f"duet_gate_aliases={alias}")
    assert verdicts(run)["epoch_seconds"] == "regressed"


def test_what_was_not_asked_for_has_not_vanished(suite, history):
    history(rename=lambda name: name.replace("test_training_epoch", "test_old_name"))
    run = suite(*TWO_TRIALS, "-k", "honest", frameworks="honest,cpu-only")
    assert run.exit_code == 0
    assert "Vanished" not in run.output


def test_another_machine_is_said_field_by_field(suite, history):
    history(fingerprint={"cpu": "An older processor", "usable_cores": 512})
    run = suite(*TWO_TRIALS)
    assert run.exit_code == 0
    assert "Another fingerprint" in run.output
    assert "cpu from 'An older processor' to" in run.output and "usable_cores from 512 to" in run.output
    assert suite(*TWO_TRIALS, "--gate-missing=fail").exit_code == 1


def test_a_damaged_run_is_named_and_costs_nothing_else(suite, history):
    folder = history(epoch_seconds=1 / 20, runs=9)
    half = (folder / "0004_made.json").read_bytes()
    (folder / "0004_made.json").write_bytes(half[: len(half) // 2])
    run = suite(*TWO_TRIALS)
    assert "0004_made.json is damaged" in run.output
    assert verdicts(run)["epoch_seconds"] == "regressed"
    assert "against 8 runs" in case(run)[1]


def test_margins_from_pytest_ini_and_the_command_line(suite, history):
    history(epoch_seconds=1 / 20)
    wide = "epoch_seconds = 100000%"
    narrow = suite(*TWO_TRIALS, "-o", f"duet_gate_margins={wide}", "--gate-margin=epoch_seconds=5%")
    assert verdicts(narrow)["epoch_seconds"] == "regressed", "the command line has the last word"
    assert verdicts(suite(*TWO_TRIALS, "-o", f"duet_gate_margins={wide}"))["epoch_seconds"] == "clean"


def test_verdicts_as_json_and_in_the_step_summary(suite, history, tmp_path):
    history(epoch_seconds=1 / 20)
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    run = suite(*TWO_TRIALS, f"--gate-json={tmp_path}/gate.json", environment={"GITHUB_STEP_SUMMARY": str(summary)})
    told = json.loads((tmp_path / "gate.json").read_text())
    assert told["schema"] == 2 and told["mode"] == "history"
    (cell,) = [cell for cell in told["comparisons"] if cell["metric"] == "epoch_seconds"]
    assert cell["verdict"] == "regressed"
    assert cell["low"] <= cell["new"] / cell["old"] <= cell["high"] and cell["low"] > cell["margin"] > 1
    text = summary.read_text()
    assert re.match(r"before\n### Gate: \d regressed", text), "one, and more where the machine is busy"
    assert "| honest | epoch time | regressed |" in text
    assert run.exit_code == 1


def test_pytest_benchmarks_own_compare_works_beside_the_gate(suite, history):
    history(epoch_seconds=1 / 20)
    run = suite(*TWO_TRIALS, "--benchmark-compare=0001")
    assert "Comparing against benchmarks from" in run.output
    assert verdicts(run)["epoch_seconds"] == "regressed"


def test_a_run_without_the_gate_says_how_it_ended_all_the_same(suite):
    run = suite("--benchmark-autosave", frameworks="honest,wrong-rate")
    assert run.json["gate"]["mode"] is None
    assert run.json["gate"]["failed_tests"] == 1
    assert "gate:" not in run.output


def test_a_marker_sets_a_benchmarks_own_margin():
    options = SimpleNamespace(
        metrics={metric.name: metric for metric in METRICS},
        suite=frozenset(metric.name for metric in METRICS),
        margins={metric.name: metric.history for metric in METRICS},
        margin_texts=("peak_memory_bytes=9%",),
    )
    marks = [pytest.mark.gate(epoch_seconds="3%,2ms", peak_memory_bytes="7%").mark]
    item = SimpleNamespace(nodeid="x", iter_markers=lambda name: iter(marks))
    margins = GateOptions.margins_of(options, item.nodeid, item.iter_markers("gate"))
    assert margins["epoch_seconds"] == Margin(0.03, 0.002)
    assert margins["peak_memory_bytes"].share == 0.09
    assert margins["first_epoch_seconds"] == FIRST_EPOCH.history


def test_only_storage_in_files_will_do():
    session = SimpleNamespace(storage="elsewhere", disabled=False)
    config = SimpleNamespace(args=[], _benchmarksession=session, stash=pytest.Stash())
    with pytest.raises(pytest.UsageError, match="needs runs in files"):
        Gate(SimpleNamespace(history=True, metrics={}), config).pytest_sessionstart()


def test_the_gate_without_a_benchmark_is_an_error_not_a_pass(command):
    line, environment = command("--gate")
    line[line.index("benchmarks")] = "tests/instrument/test_markdown.py"  # as `pytest --gate` would: testpaths is tests
    done = subprocess.run(line, cwd=ROOT, env=environment, text=True, capture_output=True)
    assert done.returncode == 4
    assert "no test was collected that calls `benchmark`" in done.stderr + done.stdout


@pytest.mark.slow
def test_failed_first_does_not_judge_before_there_is_something_to_judge(suite, history, tmp_path):
    history(epoch_seconds=1 / 20)
    cache = ("-p", "cacheprovider", "-o", f"cache_dir={tmp_path}/cache_dir")
    assert suite(*TWO_TRIALS, *cache).exit_code == 1
    for option in ("--ff", "--lf", "--nf"):
        run = suite(*TWO_TRIALS, *cache, option)
        assert verdicts(run)["epoch_seconds"] == "regressed", option
        assert run.exit_code == 1


def test_a_cell_that_comes_before_its_benchmark_is_void_and_the_run_is_held(pytestconfig):
    options = SimpleNamespace(metrics={}, margins={}, margin_texts=(), history=True, against=None)
    gate = Gate(options, pytestconfig)
    gate.margins, gate.subjects = {"x": {}}, {"x": "jax"}
    assert judging._without_row(gate, "x", "epoch_seconds").verdict == "void"


def test_missing_baselines_fail_the_run_but_it_still_makes_the_history(suite):
    """Else a first run, or a new machine, would never get out of it."""
    for number in range(2):
        run = suite(*TWO_TRIALS, "--gate-missing=fail")
        assert run.exit_code == 1
        assert f"no verdict yet ({number} of 8 runs)" in run.output


def test_verdicts_are_written_whatever_the_terminal_shows(suite, tmp_path):
    suite(*TWO_TRIALS, "--no-summary", f"--gate-json={tmp_path}/gate.json")
    assert json.loads((tmp_path / "gate.json").read_text())["comparisons"]
