"""Whose memory is a row's? That of the worker and of its helpers, page by page once, and what grows is said to leak."""

import pytest
from support import ROOT

MIB = 2**20
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
    run = suite(FILE, "--epochs=6", "--trials=2", frameworks="leaks,warms-up,honest")
    leak = run.rows["leaks"]["leak"]
    assert leak["low"] <= leak["bytes_per_round"] <= leak["high"]
    assert leak["bytes_per_round"] / MIB == pytest.approx(40, abs=6)
    assert "leaks leaks: each round takes 4" in run.output
    assert run.rows["warms-up"]["leak"] is None and run.rows["honest"]["leak"] is None


@pytest.mark.parametrize(("before", "now", "outcome"), [("honest", "leaks", "failure"), ("leaks", "leaks", "passed")])
def test_a_new_leak_is_a_regression_and_an_old_one_is_none(suite, tmp_path, before, now, outcome):
    """What is compared goes by one name: a trainer that turned into a leaking one."""
    own = tmp_path / "mine.py"
    for which in (before, now):
        base = "tests.liars.memory" if which == "leaks" else "tests.liars.trainers"
        own.write_text(f"from {base} import {which.title()} as Mine\nTRAINERS = {{'mine': 'Mine'}}\n")
        run = suite(f"--framework-path={own}", "--epochs=6", "--gate", "--history-alone", frameworks="mine")
    case, text = run.cases["test_training_epoch.gate[mine-dataset=synthetic,layer_sizes=784x32x10]"]
    if outcome == "failure":
        assert case == "failure" and "leaks: each round takes" in text and "it did not before" in text
    else:
        assert case != "failure"
