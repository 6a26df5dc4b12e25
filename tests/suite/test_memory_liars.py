"""Whose memory is a row's? That of the worker and of its helpers, page by page once, and what grows is said to leak."""

import pytest
from support import ROOT

from pytest_duet.judge.leaks import with_leaks
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.metrics import MEMORY
from pytest_duet.record.row import Leak, Row

MIB = 2**20
ROW = Row("x", "cpu", {}, ())
LEAK = Row("x", "cpu", {}, (), leak=Leak(40.0 * MIB, 39.0 * MIB, 41.0 * MIB))
FILE = f"--framework-path={ROOT}/tests/liars/memory.py"


def peak(row):
    return max(row["metrics"]["peak_memory_bytes"]["values"]) / MIB


def test_all_memory_is_on_the_workers_account(suite):
    run = suite(FILE, "--epochs=3", frameworks="honest,helper-holds-it,helper-shares-it,resets-its-peak")
    assert set(run.rows) == {"honest", "helper-holds-it", "helper-shares-it", "resets-its-peak"}, run.output
    usual = peak(run.rows["honest"])
    for name in ("helper-holds-it", "helper-shares-it", "resets-its-peak"):
        assert 350 < peak(run.rows[name]) < usual + 320, name


def test_a_leak_is_told_with_its_interval_and_what_fades_out_is_none(suite):
    run = suite(FILE, "--epochs=6", frameworks="leaks,warms-up")
    leak = run.rows["leaks"]["leak"]
    assert leak["low"] <= leak["bytes_per_round"] <= leak["high"]
    assert leak["bytes_per_round"] / MIB == pytest.approx(40, abs=6)
    assert "leaks leaks: each round takes 4" in run.output
    assert run.rows["warms-up"]["leak"] is None


def test_a_new_leak_is_a_regression(suite, tmp_path):
    """What is compared goes by one name: a trainer that turned into a leaking one."""
    own = tmp_path / "mine.py"
    for base, name in (("tests.liars.trainers", "Honest"), ("tests.liars.memory", "Leaks")):
        own.write_text(f"from {base} import {name} as Mine\nTRAINERS = {{'mine': 'Mine'}}\n")
        run = suite(f"--framework-path={own}", "--epochs=6", "--gate", "--history-alone", frameworks="mine")
    case, text = run.cases["test_training_epoch.gate[mine-dataset=synthetic,layer_sizes=784x32x10]"]
    assert case == "failure" and "leaks: each round takes" in text and "it did not before" in text


@pytest.mark.parametrize(
    ("now", "before", "verdict"),
    [
        (LEAK, ROW, Verdict.REGRESSED),
        (LEAK, LEAK, Verdict.CLEAN),
        (LEAK, None, Verdict.CLEAN),
        (ROW, LEAK, Verdict.CLEAN),
    ],
)
def test_a_leak_that_was_there_before_is_none_that_is_new(now, before, verdict):
    found = [Comparison("t::x", "x", metric, Verdict.CLEAN) for metric in (MEMORY, "seconds")]
    memory, time = with_leaks(found, {"t::x": now}, {"t::x": before})
    assert memory.verdict is verdict and time.verdict is Verdict.CLEAN
