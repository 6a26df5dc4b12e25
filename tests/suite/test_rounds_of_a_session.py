"""Frameworks of a session train in rounds, and each is still one test: chosen, stopped and failed as pytest's are."""

import json
from types import SimpleNamespace

from benchmarks.command_line import SETTLED_TRIALS, TRIALS, trials_of
from conftest import SMALL


def trials(run, name):
    return [trial["started_at"] for trial in run.rows[name]["trials"]]


def test_trials_alternate_and_the_session_ends_with_an_answer(suite):
    run = suite("--trials=3", frameworks="honest,wants-numpy")
    assert run.exit_code == 0
    for number in range(2):
        now = [trials(run, name)[number] for name in ("honest", "wants-numpy")]
        after = [trials(run, name)[number + 1] for name in ("honest", "wants-numpy")]
        assert max(now) < min(after)
    (answer,) = run.json["answers"]
    assert answer["ranked"] and answer["rounds"] == 3
    assert {its["subject"] for its in answer["standings"]} == {"honest", "wants-numpy"}
    tail = run.output[run.output.index(" answer ") :]
    assert " trains an epoch in " in tail and "from 3 trials of each" in tail
    assert max(map(len, tail.splitlines()[1:])) <= 200


def test_a_crash_costs_its_own_row(suite):
    run = suite("--trials=2", frameworks="crashes,honest")
    assert run.exit_code == 1
    assert run.outcomes["honest"][0] == "passed" and run.outcomes["crashes"][0] == "failure"
    assert len(trials(run, "honest")) == 2


def test_a_session_that_stops_at_the_first_failure_does_not_train_who_stands_behind_it(suite):
    run = suite("--trials=2", "-x", frameworks="crashes,wants-numpy")
    assert run.exit_code == 1 and list(run.outcomes) == ["crashes"]


def test_one_that_is_chosen_trains_alone(suite):
    run = suite("--trials=2", "-k", "wants-numpy", frameworks="honest,wants-numpy")
    assert list(run.rows) == ["wants-numpy"] and "rank" not in run.output[run.output.index(" answer ") :]


def test_a_race_keeps_all_alive_and_each_proves_what_it_trained(suite):
    run = suite("--trials=2", "--race", frameworks="honest,wants-numpy,wrong-rate")
    assert run.outcomes["honest"][0] == run.outcomes["wants-numpy"][0] == "passed"
    assert "parity fails" in run.outcomes["wrong-rate"][1]
    assert "race" in json.dumps([bench["name"] for bench in run.json["benchmarks"]])
    first, last = ([trials(run, name)[number] for name in ("honest", "wants-numpy")] for number in (0, 1))
    assert max(first) < min(last)
    assert not any(trial["disturbance"]["reasons"] for trial in run.rows["honest"]["trials"])


def test_a_quick_look_says_that_it_is_one(suite):
    run = suite("--quick", *SMALL[:3], small=False, frameworks="honest")
    assert run.exit_code == 0 and "nothing to quote" in run.output
    assert "quick" in run.json["benchmarks"][0]["name"] and len(trials(run, "honest")) == 3
    assert run.output.index(" answer ") < run.output.index("nothing to quote")


def test_what_is_given_beside_quick_holds(suite):
    run = suite("--quick", "--trials=1", "--epochs=2")
    assert len(trials(run, "honest")) == 1 and len(run.rows["honest"]["trials"][0]["rounds"]) == 2


def test_a_gate_that_measures_again_has_fewer_trials_unless_it_is_told_how_many():
    given = {"trials": None, "duet_gate": False, "duet_history_alone": False}
    usual, settled = (trials_of(SimpleNamespace(**given | {"duet_gate": gate})) for gate in (False, True))
    assert (usual, settled) == (TRIALS, SETTLED_TRIALS) and settled < usual
    assert trials_of(SimpleNamespace(**given | {"duet_gate": True, "duet_history_alone": True})) == TRIALS
    assert trials_of(SimpleNamespace(**given | {"duet_gate": True, "trials": 5})) == 5
