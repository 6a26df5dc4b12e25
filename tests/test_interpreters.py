"""Workers under other interpreters: environments that are found, named, missing, or too bare to work in."""

import sys

import pytest

from benchmarks.frameworks import Entry
from benchmarks.measure.interpreters import find_interpreter, interpreter_of, missing

HERE = Entry("here", "nowhere:Nobody", ("numpy",), "there")
ELSEWHERE = Entry("elsewhere", "nowhere:Nobody", ("no_such_module",), "there")


def make_environment(directory, name="there"):
    """Make what looks like a virtual environment: an interpreter of the suite's own, under another path."""
    python = interpreter_of(directory / name)
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return str(python)


def test_what_this_interpreter_has_runs_here(tmp_path):
    make_environment(tmp_path)
    assert find_interpreter(HERE, {}, tmp_path) == (None, None)


def test_what_it_lacks_runs_in_its_environment(tmp_path, monkeypatch):
    assert find_interpreter(ELSEWHERE, {}, tmp_path) == (None, None)
    python = make_environment(tmp_path)
    assert find_interpreter(ELSEWHERE, {}, tmp_path) == (python, "there")
    assert find_interpreter(ELSEWHERE, {}, None) == (None, None)
    monkeypatch.chdir(tmp_path)
    assert find_interpreter(ELSEWHERE, {}, ".") == (python, "there"), "workers start in another directory"


def test_a_named_interpreter_goes_first(tmp_path):
    make_environment(tmp_path)
    assert find_interpreter(ELSEWHERE, {"elsewhere": "/a/python"}, tmp_path) == ("/a/python", "elsewhere")
    assert find_interpreter(HERE, {"there": "/b/python"}, tmp_path) == ("/b/python", "there")


def test_modules_are_looked_for_without_being_imported(tmp_path, monkeypatch):
    package = tmp_path / "explosive"
    (package / "part").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "module.py").write_text("")
    (package / "part" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert missing(["explosive", "explosive.module", "explosive.part"]) == []
    assert missing(["explosive.gone", "gone", "gone.too"]) == ["explosive.gone", "gone", "gone.too"]


def test_a_session_joins_a_worker_of_another_environment(suite, tmp_path):
    python = make_environment(tmp_path)
    run = suite(f"--python=honest={python}", frameworks="honest,resident")
    assert run.rows["honest"]["environment"] == "honest"
    assert run.rows["resident"]["environment"] is None


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("--python=mxnet", "--python=mxnet: give NAME=PATH"),
        ("--python=mxnet=/no/such/python", "there is no file /no/such/python"),
        ("--threads=0", "--threads=0: give 1 to"),
        ("--threads=9999", "--threads=9999: give 1 to"),
        ("--epoch-budget=0", "--epoch-budget=0.0: give 0.001 or more"),
        ("--steps=0", "--steps=0: give 1 or more"),
    ],
)
def test_bad_options_are_refused_in_one_line(suite, argument, reason):
    run = suite(argument)
    assert run.exit_code == 4
    assert reason in run.output


def test_a_bare_interpreter_costs_its_own_row(suite, tmp_path):
    bare = tmp_path / "bare"
    bare.write_text("#!/bin/sh\necho nothing is installed here >&2\nexit 1\n")
    bare.chmod(0o755)
    run = suite(f"--python=honest={bare}", frameworks="honest,resident")
    outcome, message = run.outcomes["honest"]
    assert outcome == "failure" and "nothing is installed here" in message
    assert run.outcomes["resident"] == ("passed", "")


def test_missing_modules_and_hardware_are_skipped_with_the_reason(suite):
    run = suite("--device=gpu", frameworks="wants-a-module,wants-a-quantum-computer,cpu-only")
    for name, reason in {
        "wants-a-module": "no_such_module not installed in",
        "wants-a-quantum-computer": "it needs a quantum computer",
        "cpu-only": "CPU only, because nobody built it for a GPU",
    }.items():
        outcome, message = run.outcomes[name]
        assert outcome == "skipped" and reason in message, (name, outcome, message)
    assert run.exit_code == 0


def test_threads_are_applied_and_read_back(suite):
    run = suite("--threads=1", "--device=cpu", frameworks="torch")
    (benchmark,) = run.json["benchmarks"]
    assert benchmark["extra_info"]["threads"] == {"asked": 1, "cores": 1, "framework": 1}


def test_an_epoch_budget_trains_a_part_and_says_so(suite):
    run = suite("--epoch-budget=0.5", "--epochs=3", frameworks="slow,test,honest")
    slow, honest = run.rows["slow"], run.rows["honest"]
    assert slow["steps_per_epoch"] in (4, 8)  # of 0.05 s each, and what the machine adds
    assert slow["workload"]["steps"] == slow["steps_per_epoch"]
    assert not slow["whole_epochs"] and slow["epoch_seconds"] is None
    assert slow["steps_per_second"] < 20
    assert honest["whole_epochs"] and honest["epoch_seconds"] > 0
    names = {row["extra_info"]["framework"]: row["name"] for row in run.json["benchmarks"]}
    assert f"steps={slow['steps_per_epoch']}]" in names["slow"], "never compared with whole epochs"
    assert "steps" not in names["honest"]
    assert names["test"].startswith("test_training_epoch[test-"), "only what stands between the brackets is renamed"
    assert f"epochs of {slow['steps_per_epoch']} steps" in run.output
