"""Cold start: each phase has its line, what starts trains what all others train, and who puts work off is found out."""

import json
import platform
import sys
import time

import numpy as np
import pytest
from support import ROOT, TRAINERS, Terminal

from benchmarks.cold_start import PHASES, ColdStart
from benchmarks.frameworks import REGISTRY, Entry
from benchmarks.proof.parity import ParityError
from benchmarks.proof.start import check_start
from benchmarks.proof.untimed import UntimedError
from benchmarks.report import start_table
from benchmarks.start_elsewhere import StartElsewhere
from benchmarks.workload.dataset import synthetic
from benchmarks.workload.spec import Workload
from pytest_duet.errors import DuetError
from pytest_duet.record.metrics import Measured
from pytest_duet.record.row import Row
from pytest_duet.workers.protocol import SubjectError

STARTS = ROOT / "tests" / "liars" / "starts.py"
ASKED = ("--suite=cold_start", "--trials=2")


def started(location, device="cpu", **fields):
    small = Workload(dataset="synthetic", layer_sizes=(784, 16, 10), **fields)
    start = ColdStart(Entry("mine", location), small, synthetic(), device)
    start()
    start.go_on()
    return start


@pytest.mark.parametrize("batch_size", [128, 100], ids=["a ragged last batch", "none"])
def test_an_honest_start_is_proven_and_told_phase_by_phase(batch_size):
    start = started(f"{TRAINERS}:Honest", batch_size=batch_size)
    check_start(start)
    assert set(start.seconds) == {*("import", "build", "first_step", "second_step", "second_shape", "step")}, (
        "a trainer that tells of no products has no phase of its own for the device, nor for what it compiles"
    )
    assert all(seconds >= 0 for seconds in start.seconds.values())
    assert start.start_seconds == pytest.approx(sum(start.seconds.get(name, 0) for name in PHASES))
    assert len({len(batch) for epoch in start.epochs for batch in epoch}) == 2, "two shapes"
    assert set(start.told()) == {f"{name}_seconds" for name in start.seconds}


@pytest.mark.parametrize("name", ["WrongRate", "FrozenLayer", "ShuffledLabels", "HalfPrecision"])
def test_what_trains_something_else_has_no_start(name):
    with pytest.raises(ParityError, match="mine: parity fails"):
        check_start(started(f"{TRAINERS}:{name}"))


def test_who_starts_on_the_cpu_when_asked_for_a_gpu_has_no_start():
    with pytest.raises(SubjectError, match="asked to train on a GPU and says that it trains on the CPU"):
        started(f"{TRAINERS}:Honest", device="gpu")


def test_data_that_were_changed_prove_nothing():
    with pytest.raises(ParityError, match="it changed the images or labels"):
        check_start(started(f"{STARTS}:Relabels"))


def test_a_step_that_is_left_for_later_is_missed():
    with pytest.raises(ParityError, match="after its start"):
        check_start(started(f"{STARTS}:StartsHalfway"))


def test_what_is_compiled_while_parameters_are_read_is_noticed():
    with pytest.raises(UntimedError, match=r"reading its parameters after the start took 1\.\d+ s"):
        check_start(started(f"{STARTS}:PutsOff"))


def test_what_is_imported_already_cannot_be_started():
    """By a plugin of pytest's, say: the import would seem to cost nothing."""
    start = ColdStart(Entry("mine", f"{TRAINERS}:Honest", ("json",)), Workload(dataset="synthetic"), synthetic())
    with pytest.raises(DuetError, match="has imported json already"):
        start()


def test_an_epoch_of_two_steps_is_too_short():
    with pytest.raises(DuetError, match="3 steps or more"):
        ColdStart(Entry("mine", "no.py:No"), Workload(dataset="synthetic", steps=2), synthetic())


def test_nobody_is_asked_for_a_start_who_does_not_ask(suite):
    run = suite("--collect-only", "-q")
    assert "test_training_epoch" in run.output and "test_cold_start" not in run.output


@pytest.mark.parametrize("how", [("-m", "cold_start"), ("--suite=cold_start",), ("--suite=training,cold_start",)])
def test_it_is_asked_for_by_marker_and_by_name(suite, how):
    run = suite("--collect-only", "-q", *how)
    assert "test_cold_start[honest" in run.output
    assert ("test_training_epoch" in run.output) == ("training" in how[-1])


def test_an_unknown_question_is_refused(suite):
    run = suite("--suite=coldstart")
    assert run.exit_code == 4


def test_a_session_of_starts(suite):
    run = suite(*ASKED, frameworks="numpy")
    assert run.exit_code == 0, run.output
    (bench,) = run.json["benchmarks"]
    row = bench["extra_info"]["duet"]
    assert bench["name"].startswith("test_cold_start[numpy") and row["subject"] == "numpy"
    assert len(bench["stats"]["data"]) == len(row["trials"]) == 2, "a process each"
    told = {name: each["values"] for name, each in row["metrics"].items()}
    phases = [told[f"{name}_seconds"] for name in PHASES if f"{name}_seconds" in told]
    for trial, seconds in enumerate(told["seconds"]):
        # What lies between two phases is no phase: a look for the modules, and copies of the parameters.
        assert 0 <= seconds - sum(each[trial] for each in phases) < 0.1
    assert "cold start" in run.output and "second shape" in run.output


def test_the_gate_judges_starts_by_their_own_metrics(suite):
    run = suite(*ASKED, "--against=self", "--max-trials=1", "--gate-margin=seconds=50%", frameworks="numpy")
    gate = run.json["gate"]
    judged = {one["metric"] for one in gate["comparisons"]}
    assert {"seconds", "import_seconds", "step_seconds"} <= judged
    assert not judged & {"epoch_seconds", "accuracy"}, "those are a training's"
    assert "epoch_seconds" not in gate["metrics"]


def test_a_wrong_trainer_has_no_start_to_save(suite):
    run = suite(*ASKED, frameworks="wrong-rate")
    ((outcome, message),) = [case for name, case in run.cases.items() if name.startswith("test_cold_start")]
    assert outcome == "failure" and "parity fails" in message
    assert not (run.directory / "run.json").exists() or not run.json["benchmarks"]


def row_of(subject, start, step, shape=0.0):
    values = {"seconds": start, "step_seconds": step, "second_shape_seconds": shape}
    return Row(subject, "cpu", {name: Measured(name, "s", values=(took,)) for name, took in values.items()}, ())


@pytest.fixture
def elsewhere(tmp_path):
    """Return the start of a trainer under another interpreter, which is this one again."""

    def start(location):
        small = Workload(dataset="synthetic", layer_sizes=(784, 16, 10))
        where = sys.executable, None, tmp_path
        return StartElsewhere(Entry("mine", location), small, synthetic(), "cpu", *where)

    return start


def test_another_interpreter_s_start_is_proven_by_what_it_tells(elsewhere):
    start = elsewhere(f"{TRAINERS}:Honest")
    began = time.monotonic()
    start()
    called = time.monotonic() - began
    start.go_on()
    check_start(start)
    assert 0 < start.start_seconds < called < start.start_seconds + 0.5, "nothing else happens within the call"
    assert set(start.told()) == {f"{name}_seconds" for name in start.seconds}
    assert start.elsewhere["python"] == platform.python_version()


def proven(start):
    start.go_on()
    check_start(start)


@pytest.mark.parametrize(
    ("location", "error"),
    [
        (f"{TRAINERS}:WrongRate", "mine: parity fails"),
        (f"{STARTS}:Relabels", "mine: it changed the images or labels"),
        (f"{STARTS}:StartsHalfway", "after its start"),
    ],
)
def test_who_trains_something_else_has_no_start_there_either(elsewhere, location, error):
    start = elsewhere(location)
    start()
    with pytest.raises(ParityError, match=error):
        proven(start)


def test_a_start_that_fails_elsewhere_says_what_it_said(elsewhere):
    with pytest.raises(DuetError, match="(?s)mine: its start in an interpreter of its own failed.*defines no Nobody"):
        elsewhere(f"{TRAINERS}:Nobody")()


def test_a_session_starts_an_entry_under_the_interpreter_that_is_named_for_it(suite):
    run = suite(*ASKED, "--trials=1", f"--python=numpy={sys.executable}", frameworks="numpy")
    assert run.exit_code == 0, run.output
    (bench,) = run.json["benchmarks"]
    assert bench["extra_info"]["elsewhere"]["versions"]["numpy"] == np.__version__
    assert bench["extra_info"]["duet"]["metrics"]["import_seconds"]["values"]


def test_after_how_many_steps_compiling_pays():
    assert start_table.steps_until_ahead(3.0, 0.001, 1.0, 0.002) == 2000
    assert start_table.steps_until_ahead(3.0, 0.002, 1.0, 0.002) == float("inf")
    assert start_table.steps_until_ahead(1.0, 0.002, 3.0, 0.001) == 0


def test_the_table_compares_within_a_library():
    terminal = Terminal()
    rows = [row_of("torch", 1.0, 0.003), row_of("torch-compile", 9.0, 0.002, 1.0), row_of("jax", 0.5, 0.001)]
    slower = row_of("torch-script", 2.0, 0.004)
    start_table.show(terminal, [(each, {"start_of": "cold start"}) for each in [*rows, slower]])
    lines = {line.split()[0]: line for line in terminal.text.splitlines() if line.strip()}
    assert lines["torch-compile"].endswith("of torch after 9,000 steps")
    assert lines["torch-script"].endswith("of torch never")
    assert lines["jax"].endswith("-") and lines["torch"].endswith("-")


def test_those_that_keep_programs_start_again():
    kept = {name for name, entry in REGISTRY.items() if entry.keeps_programs}
    assert {"jax", "flax", "torch-compile", "tinygrad"} <= kept and not kept & {"torch", "numpy", "tensorflow"}


@pytest.mark.slow
def test_compiled_programs_are_told_and_kept(suite):
    run = suite(*ASKED, "--trials=1", frameworks="jax,torch-compile")
    assert run.exit_code == 0, run.output
    rows = {bench["name"].partition("-dataset")[0]: bench["extra_info"]["duet"] for bench in run.json["benchmarks"]}
    compiled = {
        name: sum(row["metrics"][f"{phase}_seconds"]["values"][0] for phase in ("trace", "compile"))
        for name, row in rows.items()
    }
    for framework in ("jax", "torch-compile"):
        cold, warm = (compiled[f"test_{kind}_start[{framework}"] for kind in ("cold", "warm"))
        assert 0.02 < warm < 0.8 * cold, json.dumps(compiled)
