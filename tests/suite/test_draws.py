"""What a session trains is drawn for it, and one epoch of each framework is cut at places that nobody knew before."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from support import TRAINERS

from benchmarks.frameworks import entries_of_file
from benchmarks.metrics import ACCURACY
from benchmarks.options import drawn
from benchmarks.proof import parity
from benchmarks.trainer_runner import SINGLE_STEPS, TrainerRunner
from benchmarks.workload import oracle
from benchmarks.workload.dataset import synthetic
from benchmarks.workload.spec import DRAWS, Workload
from pytest_duet.judge.by_history import _exact
from pytest_duet.record.comparison import Verdict
from pytest_duet.record.metrics import Measured
from pytest_duet.record.row import Row
from pytest_duet.sensors.sampler import MemorySampler

SMALL = Workload(dataset="synthetic", layer_sizes=(784, 32, 10), epochs=5)


def session(draw=None, run=None, xdist=None):
    given = {"draw": draw, "duet_run_id": run, "testrunuid": xdist}
    return SimpleNamespace(getoption=lambda name, *default: given[name], option=SimpleNamespace(testrunuid=xdist))


def test_a_session_draws_and_all_its_parts_draw_the_same():
    assert drawn(session(draw=3)) == 3
    assert {drawn(session()) for _ in range(200)} == set(range(DRAWS))
    assert len({drawn(session(run="nightly-7", xdist=str(number))) for number in range(20)}) == 1, "shards of a run"
    controller = session()
    mine = drawn(controller)
    assert {drawn(session(xdist=controller.option.testrunuid)) for _ in range(5)} == {mine}, "xdist hands its name on"


def test_each_draw_is_another_order_of_the_same_work():
    workloads = [replace(SMALL, draw=draw) for draw in range(DRAWS)]
    orders = [workload.order(2, 6000) for workload in workloads]
    assert all(sorted(order) == list(range(6000)) for order in orders)
    assert len({order.tobytes() for order in orders}) == DRAWS
    assert len({workload.digest() for workload in workloads}) == DRAWS
    assert len({(workload.label(), json.dumps(workload.described())) for workload in workloads}) == 1
    for left, right in zip(SMALL.initial_parameters(), workloads[1].initial_parameters()):
        assert np.array_equal(left[0], right[0])


def row(value, expected):
    measured = Measured.of(ACCURACY, [value])
    return Row("any", "cpu", {"accuracy": replace(measured, expected=expected)}, ())


@pytest.mark.parametrize(
    ("new", "old", "verdict"),
    [
        ((0.8850, 0.8850), (0.8800, 0.8800), Verdict.CLEAN),
        ((0.8850, 0.8845), (0.8800, 0.8805), Verdict.CLEAN),
        ((0.8850, 0.8838), (0.8800, 0.8800), Verdict.REGRESSED),
        ((0.8850, 0.8850), (0.8800, None), Verdict.CLEAN),
        ((0.8800, 0.8850), (0.8800, None), Verdict.REGRESSED),
        ((0.8850, None), (0.8800, None), Verdict.REGRESSED),
        ((0.8805, None), (0.8800, None), Verdict.CLEAN),
    ],
)
def test_an_accuracy_is_compared_by_what_its_own_order_gives(new, old, verdict):
    """An older file does not tell what was to be expected: it had been held against that."""
    back = SimpleNamespace(window=lambda *which: [row(*old)])
    assert _exact("any", row(*new), ACCURACY, back).verdict is verdict


@pytest.fixture
def honest():
    (entry,) = [entry for entry in entries_of_file(TRAINERS) if entry.name == "honest"]
    return TrainerRunner(entry, SMALL, max_foreign_cores=1e9, threads=1, steps=SMALL.steps_per_epoch(6000))


def test_one_epoch_of_the_audited_trial_is_trained_in_parts(honest):
    runner = replace(honest, audited_trial=2)
    found = {number: runner.run(number, MemorySampler) for number in (1, 2)}
    assert not any(one.audited for one in found[1].rounds) and len(found[1].steady) == 4
    (one,) = [one for one in found[2].rounds if one.audited]
    assert one.number > 1 and one not in found[2].steady and len(found[2].steady) == 3
    assert len(one.parts) == SINGLE_STEPS + 2
    assert [part.first for part in one.parts[1:]] == [part.stop for part in one.parts[:-1]], "no step is left out"
    dataset = synthetic()
    errors, _ = parity.check_trial("honest", found[2], oracle.trajectory(SMALL, dataset), SMALL, dataset)
    assert errors.loss < parity.LOSS_TOLERANCE


def test_places_differ_and_too_short_a_training_has_none(honest):
    runner = replace(honest, audited_trial=1)
    assert {runner.audited_round(1) for _ in range(200)} == {2, 3, 4, 5}
    assert runner.audited_round(2) is None
    assert len({tuple(runner.drawn_cut()) for _ in range(100)}) > 10
    assert replace(runner, workload=replace(SMALL, epochs=3)).audited_round(1) is None, "what is left would be too few"
    assert replace(runner, steps=5).audited_round(1) is None
    for _ in range(200):
        cut = replace(runner, steps=2 * SINGLE_STEPS).drawn_cut()
        assert cut[0][0] == 0 and cut[-1][0] < 2 * SINGLE_STEPS and cut[-1][1] is None


def test_a_wrong_step_is_told_though_the_epoch_is_right(honest):
    """As of a trainer that knows what an epoch has to come to, and not what a part of it does."""
    trial = replace(honest, audited_trial=1).run(1, MemorySampler)
    (one,) = [one for one in trial.rounds if one.audited]
    wrong = one.parts[1]._replace(metrics={"loss": one.parts[1].metrics["loss"] * 1.001})
    rounds = [
        replace(each, parts=(each.parts[0], wrong, *each.parts[2:])) if each.audited else each for each in trial.rounds
    ]
    dataset, step = synthetic(), wrong.stop
    with pytest.raises(parity.ParityError, match=f"parity fails in epoch {one.number}, steps {step} to {step}: loss"):
        parity.check_trial("any", replace(trial, rounds=rounds), oracle.trajectory(SMALL, dataset), SMALL, dataset)
