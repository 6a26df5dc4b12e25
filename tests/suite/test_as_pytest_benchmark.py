"""The suite is a pytest-benchmark suite: its options, files and exit codes are what that plugin's users expect."""

import csv
import json
import re
import subprocess
import sys

import pytest
from support import ROOT, TRAINERS

from benchmarks.peak.measured_peak import unknown
from pytest_duet.plugin.fixtures import ReplayClock

pexpect = pytest.importorskip("pexpect")
FRAMEWORKS = (
    "jax",
    "torch",
    "tensorflow",
    "keras",
    "flax",
    "haiku",
    "equinox",
    "lightning",
    "tinygrad",
    "mlx",
    "paddle",
)


def test_saved_file_is_valid_and_holds_everything(suite):
    run = suite("--trials=2")
    (benchmark,) = run.json["benchmarks"]
    row = run.rows["honest"]
    assert run.exit_code == 0
    assert benchmark["name"].startswith("test_training_epoch[honest-dataset=synthetic,")
    assert benchmark["group"] == "training epoch"
    assert benchmark["params"] == {"framework": "honest"}

    steady = [epoch for trial in row["trials"] for epoch in trial["rounds"] if epoch["number"] > 1]
    rounds = [epoch["seconds"] for epoch in steady if not epoch["audited"]]
    assert benchmark["stats"]["data"] == pytest.approx(rounds, rel=1e-9), "the worker's own times, nothing else"
    assert benchmark["stats"]["rounds"] == 2 * 5 - 1 == len(rounds), "one is trained in parts, and timed for nothing"
    assert row["schema"] == 3
    assert row["dataset"]["name"] == "synthetic"
    assert row["isolation"] == "process"
    assert row["scheduling"] in ("batch", None)
    assert row["memory"]["allocator_peak_bytes"] is None
    assert row["memory"]["host_peak_rss_bytes"] > 10 * 2**20
    assert row["measured_peak"] == unknown(), "not measured, so null and not 0"
    assert row["peak_share"] is None
    assert run.json["machine_info"]["fingerprint"]["usable_cores"] >= 1
    assert "NaN" not in json.dumps(run.json)


def test_every_field_is_documented(suite):
    """RESULTS.md is the schema: a field that it does not name is a field that nobody can rely on."""
    documented = set(re.findall(r"`([a-z_0-9]+)`", (ROOT / "RESULTS.md").read_text()))
    found = set()

    def collect(value):
        if isinstance(value, dict):
            found.update(value)
            for inner in value.values():
                collect(inner)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)

    run = suite()
    row = run.rows["honest"]
    del row["duet"], row["versions"], row["conditions"]  # the first is in it; others have keys of their own
    collect(row)
    collect(run.json["machine_info"]["fingerprint"])
    assert found - documented == set()


def test_autosave_and_compare(suite):
    first = suite("--benchmark-autosave")
    assert first.exit_code == 0
    again = suite("--benchmark-compare", "--benchmark-compare-fail=min:100000%")
    assert again.exit_code == 0
    assert "(0001_" in again.output and "(NOW)" in again.output


def test_another_workload_is_never_compared(suite):
    """pytest-benchmark compares by name alone, so what is trained is part of the name."""
    suite("--benchmark-autosave")
    other = suite("--benchmark-compare", "--seed=1")
    assert other.exit_code == 0
    assert "(NOW)" not in other.output
    assert "seed=1]" in other.output


def test_a_disabled_benchmark_still_proves_parity(suite):
    run = suite("--benchmark-disable", frameworks="honest,wrong-rate")
    outcomes = {name: outcome for name, (outcome, _) in run.outcomes.items()}
    assert outcomes == {"honest": "passed", "wrong-rate": "failure"}


def test_selection_by_k(suite):
    run = suite("-k", "honest", frameworks="honest,raises")
    assert (run.exit_code, set(run.outcomes)) == (0, {"honest"})


def test_isolation_none_trains_in_this_very_process(suite):
    run = suite("--isolation=none", frameworks="honest,wrong-rate,not-a-number")
    assert run.outcomes["honest"][0] == "passed"
    assert "parity fails" in run.outcomes["wrong-rate"][1]
    assert "not-a-number: train_epoch() gave nan." in run.outcomes["not-a-number"][1]
    assert run.json["benchmarks"][0]["name"].endswith("isolation=none]"), "never compared with isolated runs"
    assert "not isolated" in run.output


@pytest.mark.parametrize(("required", "outcome"), [((), "skipped"), (("--require-frameworks",), "failure")])
def test_a_missing_framework_is_skipped_unless_required(suite, tmp_path, required, outcome):
    hidden = tmp_path / "hidden" / "sitecustomize.py"  # a machine without JAX, in every process of the run
    hidden.parent.mkdir()
    hidden.write_text(
        "import sys; sys.modules['jax'] = None\nimport importlib.util as u; f = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'jax' else f(name, *a)\n"
    )
    run = suite(*required, frameworks="jax,honest", environment={"PYTHONPATH": str(hidden.parent)})
    assert run.outcomes["honest"][0] == "passed"
    found, message = run.outcomes["jax"]
    assert found == outcome
    assert "jax not installed in" in message
    assert run.exit_code == (1 if required else 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frameworks=no-such"], "--frameworks: 'no-such' matches none of jax, torch, keras"),
        (["--framework-path=nowhere.py"], "--framework-path: .*nowhere.py cannot be read as Python"),
        (["--framework-path=pytest.ini"], "--framework-path: .*pytest.ini cannot be read as Python"),
        (["--framework-path=conftest.py"], ".*conftest.py has no line like TRAINERS ="),
        (["--layer-sizes=784,12"], "--layer-sizes=784,12: give positive sizes"),
        (["--layer-sizes=784,x,10"], r"[\s\S]*argument --layer-sizes: '784,x,10': give numbers"),
        (["--epochs=1"], "--epochs=1: give 2 or more"),
        (["--trials=0"], "--trials=0: give 1 or more"),
        (["--seed=4294967296"], "--seed=4294967296: NumPy takes seeds from 0"),
        (["--tensorboard=pytest.ini/here"], "--tensorboard=pytest.ini/here: cannot be made"),
        (["--results-csv=pytest.ini/here"], "--results-csv=pytest.ini/here: cannot be made"),
        (
            [f"--framework-path={TRAINERS}", f"--framework-path={TRAINERS}"],
            ".*calls a trainer 'honest', and there is one",
        ),
    ],
)
def test_usage_errors_say_what_to_do(suite, arguments, message):
    run = suite(*arguments, frameworks=None, small=False)
    assert run.exit_code == 4
    assert re.search(f"ERROR: {message}", run.output), run.output
    assert "Traceback" not in run.output


def test_n0_is_no_xdist(suite):
    run = suite("-n0")
    assert (run.exit_code, run.json["benchmarks"][0]["stats"]["rounds"]) == (0, 4)


def test_missing_data_are_one_clear_error(suite, tmp_path):
    run = suite(f"--mnist-dir={tmp_path / 'nowhere'}", frameworks="honest,chatty", small=False)
    assert run.exit_code == 1
    assert "MNIST: there is no directory" in run.output and "--dataset=synthetic" in run.output
    assert "Traceback" not in run.output


def test_csv_files_have_the_seed_experiment_s_columns(suite, tmp_path):
    run = suite("--trials=2", f"--results-csv={tmp_path / 'tables'}")
    epochs = list(csv.DictReader((tmp_path / "tables" / "results.csv").open()))
    seeds = ["framework", "run", "epoch", "time", "accuracy", "peak_memory_mib", "avg_memory_mib"]
    assert list(epochs[0]) == [*seeds, "steps"]
    saved = [epoch for trial in run.rows["honest"]["trials"] for epoch in trial["rounds"]]
    assert [float(epoch["time"]) for epoch in epochs] == [epoch["seconds"] for epoch in saved]
    assert [(row["run"], row["epoch"]) for row in epochs] == [(r, e) for r in "12" for e in "123456"]

    (summary,) = csv.DictReader((tmp_path / "tables" / "summary.csv").open())
    steady = [epoch["seconds"] for epoch in saved if epoch["number"] > 1]
    assert float(summary["time_mean"]) == pytest.approx(sum(steady) / len(steady))
    assert float(summary["peak_memory_mib_mean"]) > 10
    assert float(summary["final_accuracy_mean"]) == run.rows["honest"]["accuracy"]


@pytest.mark.parametrize(("asked", "steps"), [((), "47"), (("--steps=3",), "3")])
def test_csv_files_say_how_much_of_an_epoch_a_time_is_of(suite, tmp_path, asked, steps):
    suite("--epochs=2", f"--results-csv={tmp_path}", *asked)
    for name in ("results.csv", "summary.csv"):
        assert {row["steps"] for row in csv.DictReader((tmp_path / name).open())} == {steps}


def events_of(path):
    """Return an event file's scalars, ``(name, step, value)``. Its records: a length, its sum, an event, its sum."""
    from tensorboardX.proto import event_pb2

    data, place = path.read_bytes(), 0
    while place < len(data):
        size = int.from_bytes(data[place : place + 8], "little")
        event = event_pb2.Event.FromString(data[place + 12 : place + 12 + size])
        yield from ((value.tag, event.step, value.simple_value) for value in event.summary.value)
        place += 12 + size + 4


def test_tensorboard_finds_a_run_for_each_trial(suite, tmp_path):
    run = suite("--trials=2", "--epochs=3", f"--tensorboard={tmp_path / 'board'}")
    found = {path.parent.name: list(events_of(path)) for path in tmp_path.glob("board/*/honest/*/events*")}
    assert set(found) == {"trial-1", "trial-2"}
    for name, trial in zip(sorted(found), run.rows["honest"]["trials"]):
        assert found[name][0] == ("steps", 0, 47)
        seen = {(tag, step): value for tag, step, value in found[name]}
        for epoch in trial["rounds"]:
            assert seen["loss", epoch["number"]] == pytest.approx(epoch["metrics"]["loss"])
            assert seen["accuracy", epoch["number"]] == pytest.approx(epoch["metrics"]["accuracy"])
            assert seen["seconds", epoch["number"]] == pytest.approx(epoch["seconds"])
            assert seen["peak_memory_mib", epoch["number"]] > 10


def test_the_table_shows_what_was_measured(suite):
    run = suite()
    row = run.rows["honest"]
    (line,) = [line for line in run.output.splitlines() if line.strip().startswith("honest ")]
    assert f"{row['epoch_seconds']:.3f} s" in line
    assert f"{row['first_epoch_seconds']:.3f} s" in line
    assert f"{row['accuracy']:.4f}" in line
    assert "eager, host-fed, fp32" in line
    assert "honest: synthetic data" in run.output, "notes stand below the table"


def test_collecting_imports_no_framework():
    code = (
        "import sys, pytest; arguments = '--frameworks=all --collect-only -q -p no:cacheprovider'; "
        "code = pytest.main(['benchmarks', *arguments.split()]); "
        f"print('imported', [name for name in {FRAMEWORKS} if name in sys.modules], int(code))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "test_training_epoch[jax]" in done.stdout
    assert "imported [] 0" in done.stdout


def test_somebody_who_watches_a_terminal_sees_the_progress(command):
    line, environment = command()
    environment["TERM"] = "xterm"
    terminal = pexpect.spawn(line[0], line[1:], cwd=str(ROOT), env=environment, dimensions=(40, 160), timeout=60)
    terminal.expect(r"honest +parity check")
    terminal.expect(r"honest +trial 1, epoch 1/6, loss \d\.\d+")
    terminal.expect(r"honest +trial 1, epoch 6/6, loss \d\.\d+")
    terminal.expect("1 passed")
    terminal.expect(pexpect.EOF)


def test_without_a_terminal_there_is_no_progress_line(suite):
    run = suite()
    assert "trial 1, epoch" not in run.output
    assert "\x1b" not in run.output


def test_profiling_with_cprofile_works(suite):
    assert suite("--benchmark-cprofile=cumtime").exit_code == 0


def test_replayed_rounds_are_exact():
    clock = ReplayClock()
    seen = []

    class Benchmark:
        disabled = False

        def pedantic(self, function, rounds):
            for _ in range(rounds):
                start = clock()
                function()
                seen.append(clock() - start)

    clock.replay(Benchmark(), [0.25, 3.5, 1.0])
    assert seen == [0.25, 3.5, 1.0]


def test_a_benchmark_with_another_timer_is_noticed():
    class Built:
        disabled = False

        def pedantic(self, function, rounds):
            for _ in range(rounds):
                function()

    with pytest.raises(RuntimeError, match="`duet` fixture must come before `benchmark`"):
        ReplayClock().replay(Built(), [0.25])


def test_a_trainers_file_is_parsed_not_run(tmp_path, suite):
    """Its framework is the worker's to import; pytest's own process stays clean of it."""
    own = tmp_path / "mine.py"
    mark = f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    trainers = re.sub(r"TRAINERS = \{.*?\}", 'TRAINERS = {"mine": "Honest"}', TRAINERS.read_text(), flags=re.DOTALL)
    own.write_text(mark + trainers)
    assert suite(f"--framework-path={own}", "--collect-only", frameworks="mine").exit_code == 0
    assert not (tmp_path / "ran").exists()
    assert suite(f"--framework-path={own}", frameworks="mine").outcomes["mine"][0] == "passed"
    assert (tmp_path / "ran").exists()
