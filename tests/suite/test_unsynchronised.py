"""A framework that really computes asynchronously, and a trainer that does not wait for it, on this machine's CPU."""

import re

import pytest
from support import ROOT

pytest.importorskip("jax", reason="JAX also computes behind Python's back on a CPU; the others do on GPUs alone")

# 375 steps an epoch: it goes on for far longer than Python takes to hand it over, on any machine.
MANY_STEPS = ("--layer-sizes=784,256,256,10", "--batch-size=16", "--epochs=3", "--device=cpu")


def test_a_trainer_that_does_not_wait_for_jax_is_caught_and_one_that_does_is_not(suite):
    path = f"--framework-path={ROOT / 'tests' / 'liars' / 'unsynchronised_jax.py'}"
    run = suite(path, *MANY_STEPS, frameworks="jax-unsynchronised,jax-scan")
    outcome, message = run.outcomes["jax-unsynchronised"]
    assert outcome == "failure", message
    said = r"returns before the device has finished: the device went on for (.*) ms after an epoch of 0\.00\d s"
    assert float(re.search(said, message).group(1)) > 10, "all of an epoch, not some scatter of the readings"
    assert run.outcomes["jax-scan"] == ("passed", "")
    assert set(run.rows) == {"jax-scan"}
