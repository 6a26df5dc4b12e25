"""Tables of a usual run fit into 100 columns; --wide has everything in its row."""

from dataclasses import replace

import pytest
from made_up import row
from support import Terminal

from benchmarks.report import framework_table
from benchmarks.training_row import Parity, Threads, TrainedData, TrainingRow
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.metrics import DEFAULT, MEMORY
from pytest_duet.record.saved_run import GateRecord
from pytest_duet.report import verdicts

LABELS = {"data": "host-fed", "precision": "fp32"}
NOTE = "7 more trials, some 130 s, would decide it, if they went on like these"


def trained(name, execution, disturbed=0):
    its = row(name, {"epoch_seconds": [1.9] * 3, MEMORY: [1305 * 2**20] * 3}, labels={"execution": execution, **LABELS})
    training = TrainingRow(
        {"batch_size": 128, "layer_sizes": [784, 1024, 1024, 10]},
        TrainedData("mnist"),
        threads=Threads(2),
        epoch_seconds=13.763,
        epoch_spread=0.177,
        first_epoch_seconds=14.416,
        images_per_second=15947,
        steps_per_second=30.0,
        flops_per_epoch=5.7e11,
        peak_share=0.41,
        accuracy=0.8823,
        parity=Parity(7e-7),
    )
    trials = tuple(replace(trial, seconds=13.763) for trial in its.trials)
    return replace(its, disturbed_trials=disturbed, trials=trials), training


@pytest.fixture
def terminal():
    return Terminal()


def test_the_suite_s_table_fits(terminal):
    framework_table.show(
        terminal, [trained("jax", "compiled"), trained("keras", "graph", 1), trained("torch", "eager")]
    )
    assert terminal.widest <= 100
    assert "contract: all of them host-fed, fp32" in terminal.text and "memory, host" in terminal.text
    assert "keras: 1 of 3 trials DISTURBED" in terminal.text


def test_the_peak_of_another_network_is_said_to_be_that_of_the_default_one(terminal):
    its, training = trained("jax", "compiled")
    framework_table.show(terminal, [(its, training)])
    assert "matrix products of the same shapes" in " ".join(terminal.text.split())
    another = {**training.workload, "network": "cnn", "layer_sizes": [784, 8, 16, 10]}
    framework_table.show(terminal, [(its, replace(training, workload=another))])
    assert "cnn 784-8-16-10, batch 128" in terminal.text
    assert "matrix products of the default network's shapes" in " ".join(terminal.text.split())


def test_wide_has_everything_in_its_row(terminal):
    framework_table.show(terminal, [trained("jax", "compiled"), trained("keras", "graph", 1)], wide=True)
    (line,) = [line for line in terminal.text.splitlines() if line.strip().startswith("keras")]
    assert "graph, host-fed, fp32" in line and "MiB host" in line and "1 of 3 trials DISTURBED" in line


def gate():
    metrics = {metric.name: metric for metric in DEFAULT}
    figures = {"old": 13.763, "new": 13.871, "low": 0.988, "high": 1.034, "margin": 1.02, "visible": 1.041}
    found = [
        Comparison(f"test[{name}]", name, metric, Verdict.INCONCLUSIVE, trials=16, note=NOTE, **figures)
        for name in ("jax", "keras", "torch", "equinox")
        for metric in metrics
    ]
    return GateRecord("against", "git:HEAD", comparisons=tuple(found), metrics=metrics)


def test_the_gate_s_table_fits_and_each_note_is_said_once(terminal):
    verdicts.show(terminal, gate(), "framework")
    assert terminal.widest <= 100
    assert (
        terminal.text.count("7 more trials") == 1
        and "jax's time, jax's peak memory, jax's first round and 9 more:" in terminal.text
    )


def test_the_gate_s_wide_table_has_notes_beside_its_figures(terminal):
    verdicts.show(terminal, gate(), "framework", wide=True)
    assert terminal.text.count(NOTE) == 1 and terminal.text.count("as above") == 11
