"""Which saved runs a session is judged by, and what is said of the others."""

import json
import os
import random
import subprocess
import sys
from dataclasses import replace

import pytest
from made_runs import FINGERPRINT, FOLDER, LABELS, WORKLOAD, benchmark, row, rows, run, typed, write
from made_up import METRICS, family
from support import ROOT

from pytest_duet.errors import DuetError
from pytest_duet.judge.by_history import judge_session
from pytest_duet.record import storage
from pytest_duet.record.history import History
from pytest_duet.record.lookback import differences
from pytest_duet.record.row import Row

JAX = benchmark("jax")


def look_back(storage, *frameworks, today=None, size=20, aliases=(), fingerprint=FINGERPRINT):
    today = today or rows(*frameworks or ["jax"])
    return History(storage).look_back(typed(today), fingerprint, size, aliases)


def seconds(back, name=JAX):
    """Return which runs a window holds, by the epoch time that each was given; newest first."""
    return [row.values("epoch_seconds")[0] for row in back.window(name, "epoch_seconds")]


def findings(storage, *frameworks, was_asked=lambda subject, name: True, **how):
    back = look_back(storage, *frameworks, **how)
    return back.findings(was_asked, back.rows)


def decide(storage, action, *names, restarts=()):
    History(storage).journal.add(action, names, restarts)


def test_the_window_holds_the_newest_accepted_runs(tmp_path):
    for number in range(1, 13):
        write(tmp_path, number, seconds=number)
    back = look_back(tmp_path, size=10)
    assert seconds(back) == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]
    assert back.findings(lambda subject, name: True, back.rows) == []


def test_no_storage_is_an_empty_window(tmp_path):
    back = look_back(tmp_path / "none")
    assert seconds(back) == [] and back.findings(lambda subject, name: True, back.rows) == []


def test_runs_after_9999_are_the_newest(tmp_path):
    for hour, number in enumerate((9998, 9999, 10000, 10001), start=1):
        write(tmp_path, number, hour=hour, seconds=number)
    assert seconds(look_back(tmp_path, size=3)) == [10001, 10000, 9999]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"verdicts": {"jax": "regressed"}}, "a benchmark regressed"),
        ({"verdicts": {"jax": "improved"}}, "a benchmark improved; accept it"),
        ({"verdicts": {"jax": "the machine"}}, "the whole machine was slower"),
        ({"verdicts": {"torch": "void"}}, "a benchmark failed"),
        ({"failed": 2}, "2 tests failed"),
        ({"interrupted": True}, "it was interrupted"),
        ({"mode": "against"}, "both sides took turns"),
    ],
)
@pytest.mark.parametrize("old", [False, True], ids=["today", "old"])
def test_a_run_that_is_not_sound_waits_until_somebody_accepts_it(tmp_path, how, why, old):
    write(tmp_path, 1, seconds=1, old=old)
    name = write(tmp_path, 2, seconds=2, old=old, **how)
    history = History(tmp_path)
    state, text = history.state(history.read(name))
    assert state == "pending" and text.startswith(why)
    assert seconds(look_back(tmp_path)) == [1]
    decide(tmp_path, "accept", name)
    assert seconds(look_back(tmp_path)) == [2, 1]


@pytest.mark.parametrize("verdict", ["clean", "inconclusive", "no baseline"])
def test_a_run_in_which_nothing_went_wrong_counts(tmp_path, verdict):
    write(tmp_path, 1, verdicts={"jax": verdict})
    assert seconds(look_back(tmp_path)) == [1]


def test_a_run_that_says_nothing_of_how_it_ended_waits(tmp_path):
    data = run()
    del data["gate"]
    history = History(tmp_path)
    assert history.state(history.read(write(tmp_path, 1, data))) == ("pending", "it says nothing of how it ended")
    assert seconds(look_back(tmp_path)) == []


def test_a_rejected_run_stays_out_whatever_it_was(tmp_path):
    sound, accepted = write(tmp_path, 1, seconds=1), write(tmp_path, 2, seconds=2, failed=1)
    write(tmp_path, 3, seconds=3)
    decide(tmp_path, "accept", accepted)
    decide(tmp_path, "reject", sound, accepted)
    assert seconds(look_back(tmp_path)) == [3]
    decide(tmp_path, "accept", sound)  # the last decision counts
    assert seconds(look_back(tmp_path)) == [3, 1]


def test_an_acknowledged_change_starts_a_new_window_for_what_changed_only(tmp_path):
    names = [write(tmp_path, number, frameworks=("jax", "torch"), seconds=number) for number in range(1, 6)]
    decide(tmp_path, "accept", names[2], restarts=[f"{JAX} epoch_seconds"])
    back = look_back(tmp_path, "jax", "torch")
    assert seconds(back) == [5, 4, 3]
    assert seconds(back, benchmark("torch")) == [5, 4, 3, 2, 1]


def test_an_acknowledged_change_of_one_metric_leaves_the_others_their_window(tmp_path):
    names = [write(tmp_path, number, seconds=number) for number in range(1, 4)]
    decide(tmp_path, "accept", names[1], restarts=[f"{JAX} peak_memory_bytes"])
    back = look_back(tmp_path)
    assert seconds(back) == [3, 2, 1]
    assert len(back.window(JAX, "peak_memory_bytes")) == 2


def test_a_run_that_the_gate_was_not_asked_about_stays_out(tmp_path):
    """Else whoever saves a slow branch's runs moves the baseline."""
    data = run()
    data["gate"].update(mode=None, comparisons=[])
    write(tmp_path, 1, data)
    history = History(tmp_path)
    (saved,) = history.newest_first()
    assert history.state(saved) == ("pending", "the gate was not asked about it")
    assert seconds(look_back(tmp_path)) == []


def test_another_workload_is_no_baseline_and_has_not_vanished(tmp_path):
    other = {**WORKLOAD, "batch_size": 256}
    old = JAX.replace("[jax]", "[jax-batch_size=256]")
    write(tmp_path, 1, run({old: row(workload=other, conditions={"workload": other})}))
    assert findings(tmp_path) == []
    back = look_back(tmp_path, aliases={old: JAX})
    assert seconds(back) == []
    assert "workload.batch_size from 256 to 128" in back.findings(lambda subject, name: True, back.rows)[0]


def test_a_benchmark_that_failed_today_has_not_vanished(tmp_path):
    write(tmp_path, 1, frameworks=("jax", "torch"))
    back = look_back(tmp_path, "jax")
    assert back.findings(lambda subject, name: True, {JAX, benchmark("torch")}) == []


def test_runs_accepted_together_start_a_window_at_the_first_that_still_counts(tmp_path):
    names = [write(tmp_path, number, seconds=number) for number in range(1, 7)]
    decide(tmp_path, "accept", *names[2:5], restarts=[f"{JAX} epoch_seconds"])
    assert seconds(look_back(tmp_path)) == [6, 5, 4, 3]
    decide(tmp_path, "reject", names[2])
    assert seconds(look_back(tmp_path)) == [6, 5, 4], "not back to what was before the change"


@pytest.mark.parametrize(
    ("accepted", "here", "there"),
    [((5, 6, 7), [8, 6], [7, 5]), ((5, 7), [8, 6, 4, 2], [7, 5]), ((6,), [8, 6], [7, 5, 3, 1])],
)
def test_a_new_window_starts_on_the_machines_of_the_accepted_runs(tmp_path, accepted, here, there):
    other = {**FINGERPRINT, "usable_cores": 4}
    fingerprints = [FINGERPRINT, other]
    names = [write(tmp_path, n, seconds=n, fingerprint=fingerprints[n % 2]) for n in range(1, 9)]
    decide(tmp_path, "accept", *(names[number - 1] for number in accepted), restarts=[f"{JAX} epoch_seconds"])
    assert seconds(look_back(tmp_path)) == here
    assert seconds(look_back(tmp_path, fingerprint=other)) == there


def test_another_machine_is_named_field_by_field(tmp_path):
    gpu = {"name": "A GPU", "driver": "1"}
    other = {**FINGERPRINT, "usable_cores": 4, "gpu": gpu}
    write(tmp_path, 1, fingerprint={**FINGERPRINT, "cpu": "Older"})
    name = write(tmp_path, 2, fingerprint=other)
    today = {**FINGERPRINT, "gpu": {**gpu, "driver": "2"}}
    back = look_back(tmp_path, fingerprint=today)
    assert seconds(back) == []
    assert back.findings(lambda subject, name: True, back.rows) == [
        f"Another fingerprint: no accepted run is from this machine. Since {name}: "
        "usable_cores from 4 to 2, gpu.driver from '1' to '2'."
    ]
    write(tmp_path, 3, fingerprint=today)
    assert findings(tmp_path, fingerprint=today) == []


def test_runs_of_other_machines_take_no_place_in_the_window(tmp_path):
    for number in range(1, 9):
        write(tmp_path, number, seconds=number, fingerprint={**FINGERPRINT, "usable_cores": 1 + number % 2})
    assert seconds(look_back(tmp_path, size=3)) == [7, 5, 3]


@pytest.mark.parametrize(("bytes_now", "same"), [(0.995, True), (1.005, True), (0.98, False), (1.02, False)])
def test_memory_that_a_kernel_s_update_moved_is_the_same(bytes_now, same):
    now = {**FINGERPRINT, "memory_bytes": int(FINGERPRINT["memory_bytes"] * bytes_now)}
    assert (differences(FINGERPRINT, now) == []) is same


@pytest.mark.parametrize("odd", [None, "8 GiB", [8]])
def test_memory_that_is_no_number_differs(odd):
    now = {**FINGERPRINT, "memory_bytes": odd}
    assert differences(FINGERPRINT, now) == [("memory_bytes", FINGERPRINT["memory_bytes"], odd)]


def test_a_gpu_that_came_or_went_differs():
    gpu = {"name": "A GPU"}
    assert differences(FINGERPRINT, {**FINGERPRINT, "gpu": gpu}) == [("gpu", None, gpu)]
    assert differences({**FINGERPRINT, "gpu": gpu}, FINGERPRINT) == [("gpu", gpu, None)]


def test_a_run_that_knows_no_fingerprint_is_of_another_machine(tmp_path):
    data = run()
    del data["machine_info"]
    write(tmp_path, 1, data)
    assert seconds(look_back(tmp_path)) == []
    (finding,) = findings(tmp_path)
    assert "all from None to {'cpu': 'A processor'" in finding


@pytest.mark.parametrize(
    ("changed", "changed_then", "text"),
    [
        ({"device": "gpu"}, {"device": "gpu"}, "device from 'gpu' to 'cpu'"),
        (
            {"contract": {**LABELS, "data": "device"}},
            {"contract": {**LABELS, "data": "device"}},
            "contract.data from 'device' to 'host-fed'",
        ),
        ({"threads": 1}, {"threads": {"asked": 1}}, "threads from 1 to 2"),
        ({"threads": None}, {"threads": None}, "threads from None to 2"),
        ({"scheduling": "other"}, {"scheduling": "other"}, "scheduling from 'other' to 'batch'"),
        ({"digest of the data": "ffff"}, {"dataset": {"digest": "ffff"}}, "digest of the data from 'ffff' to '5a4d'"),
    ],
)
@pytest.mark.parametrize("old", [False, True], ids=["today", "old"])
def test_a_benchmark_measured_under_other_conditions_is_named(tmp_path, changed, changed_then, text, old):
    other = row(old=True, **changed_then) if old else row(conditions=changed)
    name = write(tmp_path, 1, run(rows("torch", old=old) | {JAX: other}, old=old))
    back = look_back(tmp_path, "jax", "torch")
    assert seconds(back) == [] and seconds(back, benchmark("torch")) == [1]
    assert back.findings(lambda subject, name: True, back.rows) == [f"Other conditions: {JAX}, since {name}: {text}."]
    write(tmp_path, 2)
    assert findings(tmp_path, "jax", "torch") == [], "once there is a run under these"


def test_conditions_that_a_suite_names_as_it_likes_are_compared(tmp_path):
    """Whatever JSON can hold: also what was left out on one side, and tables within tables."""
    own = {"layers": [784, 10], "cache": {"on": True, "bytes": 2**20}}
    write(tmp_path, 1, run({JAX: row(conditions=own)}))
    name = write(tmp_path, 2, run({JAX: row(conditions={**own, "layers": [784, 32, 10], "cache": {"on": False}})}))
    assert seconds(look_back(tmp_path, today={JAX: row(conditions=own)})) == [1]
    (tmp_path / FOLDER / "0001_made.json").unlink()
    (finding,) = findings(tmp_path, today={JAX: row(conditions=own)})
    assert finding == (
        f"Other conditions: {JAX}, since {name}: layers from [784, 32, 10] to [784, 10], cache.on from False to True, "
        f"cache.bytes from None to {2**20}."
    )


def test_conditions_of_a_session_compare_as_they_will_be_saved():
    today = replace(typed({JAX: row()})[JAX], conditions={"layers": (784, 10)}, workload={"layers": (784, 10)})
    saved = Row.from_json(json.loads(json.dumps({"duet": today.as_json()})))
    assert differences(saved.conditions, today.conditions) == []
    assert saved.workload == today.workload


def test_a_vanished_benchmark_is_named(tmp_path):
    write(tmp_path, 1, frameworks=("jax", "torch"))
    write(tmp_path, 2)
    (finding,) = findings(tmp_path, "jax")
    assert finding.startswith(
        f"Vanished: {benchmark('torch')} was in at least one of the last 2 accepted runs, and is not in this one."
    )
    assert "history accept latest" in finding
    assert findings(tmp_path, "jax", was_asked=lambda subject, name: subject != "torch") == []


def test_what_vanished_is_remembered_for_as_long_as_a_window(tmp_path):
    write(tmp_path, 1, frameworks=("jax", "torch"))
    names = [write(tmp_path, number) for number in (2, 3)]
    (finding,) = findings(tmp_path, "jax", size=3)
    assert finding.startswith(f"Vanished: {benchmark('torch')} was in at least one of the last 3")
    assert findings(tmp_path, "jax", size=2) == []
    decide(tmp_path, "accept", names[0])
    assert findings(tmp_path, "jax", size=3) == [], "somebody accepted a run that does without it"


def test_a_renamed_benchmark_is_named_and_an_alias_carries_its_history_over(tmp_path):
    old, new = JAX, JAX.replace("training_epoch", "training")
    write(tmp_path, 1, seconds=3)
    today = {new: row()}
    (finding,) = findings(tmp_path, today=today)
    assert finding.startswith(f"Vanished: {old}")
    _, _, line = finding.partition("under duet_gate_aliases: ")
    assert line == f"{old} -> {new}"
    aliases = dict([line.split(" -> ")])
    assert findings(tmp_path, today=today, aliases=aliases) == []
    assert seconds(look_back(tmp_path, today=today, aliases=aliases), new) == [3]


def test_an_alias_carries_a_new_window_over(tmp_path):
    names = [write(tmp_path, number, seconds=number) for number in range(1, 4)]
    decide(tmp_path, "accept", names[1], restarts=[f"{JAX} epoch_seconds"])
    assert seconds(look_back(tmp_path, today={"new": row()}, aliases={JAX: "new"}), "new") == [3, 2]


def test_a_benchmark_renamed_twice_needs_no_other_alias(tmp_path):
    write(tmp_path, 1, {**run({"a": row(seconds=1)}, number=1)})
    write(tmp_path, 2, {**run({"b": row(seconds=2)}, number=2)})
    write(tmp_path, 3, {**run({"c": row(seconds=3)}, number=3)})
    assert seconds(look_back(tmp_path, today={"c": row()}, aliases={"a": "b", "b": "c"}), "c") == [3, 2, 1]


def test_a_benchmark_renamed_there_and_back_keeps_its_history(tmp_path):
    write(tmp_path, 1, {**run({"a": row(seconds=1)}, number=1)})
    write(tmp_path, 2, {**run({"b": row(seconds=2)}, number=2)})
    aliases = {"a": "b", "b": "a"}
    assert seconds(look_back(tmp_path, today={"a": row()}, aliases=aliases), "a") == [2, 1]
    assert seconds(look_back(tmp_path, today={"c": row()}, aliases=aliases), "c") == []


def test_an_alias_takes_nothing_from_a_benchmark_that_is_there_under_both_names(tmp_path):
    write(tmp_path, 1, {**run({"a": row(seconds=1), "b": row(seconds=2)})})
    back = look_back(tmp_path, today={"a": row(), "b": row()}, aliases={"a": "b"})
    assert (seconds(back, "a"), seconds(back, "b")) == ([1], [2])
    assert seconds(look_back(tmp_path, today={"b": row()}, aliases={"a": "b"}), "b") == [2], "a run counts once"


def without(name, data):
    """Return the run without a field of its only row."""
    extra_info = data["benchmarks"][0]["extra_info"]
    del extra_info.get("duet", extra_info)[name]
    return data


def gate(**fields):
    return {**run(), "gate": {"mode": "history", "failed_tests": 0, **fields}}


# Files that cannot be used at all.
DAMAGED = {
    "cut in half": json.dumps(run())[:400],
    "empty": "",
    "no text": "\udc80",
    "a list": [run()],
    "nothing": "null",
    "too deep": "[" * 100_000,
    "without benchmarks": {},
    "benchmarks are none": {**run(), "benchmarks": {"jax": 1}},
    "a gate that is none": {**run(), "gate": [1]},
    "a gate that is a text": {**run(), "gate": "clean"},
    "comparisons that are none": gate(comparisons=[1]),
    "a comparison without a benchmark": gate(comparisons=[{"subject": "jax", "metric": "a", "verdict": "clean"}]),
    "a verdict that is none": run(verdicts={"jax": "fine"}),
    "metrics that are none": gate(metrics={"epoch_seconds": "lower"}),
    "cells that are none": gate(cells=[1]),
    "cells of nothing": gate(cells=None),
    "failed tests that are none": run(failed="many"),
    "old failed tests that are none": run(failed="many", old=True),
    "a shard that is none": {**run(), "shard": {"run": "x"}},
    "a merge that is none": {**run(), "merged": {"run": "x"}},
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_left_out_and_named(tmp_path, damage):
    write(tmp_path, 1, seconds=1)
    name = write(tmp_path, 2)
    write(tmp_path, 3, seconds=3)
    data = DAMAGED[damage]
    text = data if isinstance(data, str) else json.dumps(data)
    (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    back = look_back(tmp_path)
    assert seconds(back) == [3, 1]
    (finding,) = back.findings(lambda subject, name: True, back.rows)
    assert finding.startswith(f"Left out: {tmp_path / name} is damaged: ")
    assert "\n" not in finding and len(finding) < 500
    with pytest.raises(DuetError, match="is damaged"):
        History(tmp_path).read(name)


def test_what_the_gate_of_a_later_version_said_is_not_guessed_at(tmp_path):
    write(tmp_path, 1, gate(schema=99, comparisons=run()["gate"]["comparisons"]))
    assert seconds(look_back(tmp_path)) == []


# Rows that cannot be used, whose run can.
DAMAGED_ROWS = {
    "extra_info is none": [1],
    "a row that is none": {"duet": 5},
    "of a schema to come": {"duet": {"schema": 4}},
    "without a schema": without("schema", run()),
    "without a device": without("device", run()),
    "without a subject": without("subject", run()),
    "without metrics": without("metrics", run()),
    "without trials": without("trials", run()),
    "trials that are none": row(trials=5),
    "a trial that is none": row(trials=[1]),
    "a trial without memory": row(trials=[{"seconds": 1}]),
    "memory that is none": row(trials=[{"memory": [1]}]),
    "a time that is none": row(trials=[{"memory": {}, "seconds": "fast"}]),
    "a value that is none": row(metrics={"epoch_seconds": {"title": "epoch time", "values": ["fast"]}}),
    "a direction that is none": row(metrics={"epoch_seconds": {"title": "epoch time", "better": "faster"}}),
    "conditions that are none": {"duet": {**row()["duet"], "conditions": [2]}},
    "versions that are none": row(versions="1.0"),
    "an other side that is none": row(against={"name": "main", "row": {}, "ratios": []}),
    "old, without a device": without("device", run(old=True)),
    "old, without a framework": without("framework", run(old=True)),
    "old, without an accuracy": without("accuracy", run(old=True)),
    "old, without data": without("dataset", run(old=True)),
    "old, without a contract": without("contract", run(old=True)),
    "old, without a workload": without("workload", run(old=True)),
    "old, trials that are none": row(old=True, trials=5),
    "old, a trial that is none": row(old=True, trials=[1]),
    "old, a trial without memory": row(old=True, trials=[{"epoch_seconds": 1}]),
    "old, a time that is none": row(old=True, seconds="fast"),
    "old, threads that are none": row(old=True, threads=[2]),
    "old, versions that are none": row(old=True, versions="1.0"),
}


@pytest.mark.parametrize("damage", DAMAGED_ROWS)
def test_a_damaged_row_costs_its_own_benchmark_alone_and_is_named(tmp_path, damage):
    found = DAMAGED_ROWS[damage]
    extra_info = found["benchmarks"][0]["extra_info"] if isinstance(found, dict) and "benchmarks" in found else found
    data = run(("jax", "torch"), seconds=2)
    data["benchmarks"][0]["extra_info"] = extra_info
    write(tmp_path, 1, seconds=1, frameworks=("jax", "torch"))
    name = write(tmp_path, 2, data)
    write(tmp_path, 3, seconds=3, frameworks=("jax", "torch"))
    back = look_back(tmp_path, "jax", "torch")
    assert (seconds(back), seconds(back, benchmark("torch"))) == ([3, 1], [3, 2, 1])
    (finding,) = back.findings(lambda subject, name: True, back.rows)
    assert finding.startswith(f"Left out: {tmp_path / name} is damaged: {JAX}: ")
    assert "\n" not in finding and len(finding) < 500
    assert list(History(tmp_path).read(name).damaged) == [JAX]


# What a run does not need to say, or nobody here asks it for.
HARMLESS = {
    "a benchmark that is none": {**run(), "benchmarks": ["jax", *run(seconds=2)["benchmarks"]]},
    "a benchmark without a name": {**run(), "benchmarks": [{"extra_info": row()}, *run(seconds=2)["benchmarks"]]},
    "a name that is none": {**run(), "benchmarks": [{"fullname": ["x"]}, *run(seconds=2)["benchmarks"]]},
    "a commit that is none": {**run(seconds=2), "commit_info": "abc"},
    "a commit's id that is none": {**run(seconds=2), "commit_info": {"id": 5}},
    "a date that is none": {**run(seconds=2), "datetime": 5},
}


@pytest.mark.parametrize("what", HARMLESS)
def test_what_no_verdict_needs_may_be_anything(tmp_path, what):
    write(tmp_path, 1, seconds=1)
    write(tmp_path, 2, HARMLESS[what])
    write(tmp_path, 3, seconds=3)
    assert seconds(look_back(tmp_path)) == [3, 2, 1]
    assert findings(tmp_path) == []


@pytest.mark.parametrize("machine", ["mine", {"fingerprint": ["mine"]}, {"fingerprint": "mine"}, {}, None])
def test_a_run_whose_machine_is_none_is_of_another_one(tmp_path, machine):
    write(tmp_path, 1, {**run(), "machine_info": machine})
    assert seconds(look_back(tmp_path)) == []
    (finding,) = findings(tmp_path)
    assert finding.startswith("Another fingerprint: no accepted run is from this machine.")


def test_a_folder_that_is_named_like_a_run_is_damage(tmp_path):
    (tmp_path / FOLDER / "0001_folder.json").mkdir(parents=True)
    write(tmp_path, 2, seconds=2)
    assert seconds(look_back(tmp_path)) == [2]


def test_benchmarks_that_are_not_this_suite_s_are_no_damage(tmp_path):
    data = run(seconds=1)
    data["benchmarks"] += [{"fullname": "other", "extra_info": {"size": 1}}, {"fullname": "bare", "extra_info": {}}]
    data["benchmarks"] += [{"fullname": "without"}, {"fullname": "none", "extra_info": None}]
    write(tmp_path, 1, data)
    assert seconds(look_back(tmp_path)) == [1] and findings(tmp_path) == []


def test_a_row_without_a_time_is_no_damage(tmp_path):
    """A part of an epoch has none, and a GPU's memory is unknown on a CPU."""
    write(
        tmp_path, 1, old=True, versions=None, trials=[{"epoch_seconds": None, "memory": {"allocator_peak_bytes": None}}]
    )
    write(tmp_path, 2, seconds=None, trials=[{"memory": {"allocator_peak_bytes": None}}] * 3)
    back = look_back(tmp_path)
    assert [row.values("epoch_seconds") for row in back.windows[JAX]] == [None, None]
    assert findings(tmp_path) == []


# Files of before: a window holds them beside those of today


def test_a_row_of_before_says_what_the_same_row_says_today():
    old, today = typed({JAX: row(old=True, seconds=[1.0, 2.0])})[JAX], typed({JAX: row(seconds=[1.0, 2.0])})[JAX]
    assert old == today


def test_a_window_holds_old_runs_and_those_of_today(tmp_path):
    for number in range(1, 9):
        write(tmp_path, number, seconds=number, old=number % 2 or number < 4)
    back = look_back(tmp_path)
    assert seconds(back) == [8, 7, 6, 5, 4, 3, 2, 1]
    assert back.findings(lambda subject, name: True, back.rows) == []


def test_a_benchmark_that_vanished_since_an_old_run_is_named(tmp_path):
    write(tmp_path, 1, frameworks=("jax", "torch"), old=True)
    (finding,) = findings(tmp_path, "jax")
    assert finding.startswith(f"Vanished: {benchmark('torch')} was in at least one of the last 1 accepted runs")


def test_a_change_in_an_old_run_starts_a_new_window(tmp_path):
    names = [write(tmp_path, number, seconds=number, old=number < 4) for number in range(1, 6)]
    decide(tmp_path, "accept", names[1], restarts=[f"{JAX} epoch_seconds"])
    back = look_back(tmp_path)
    assert seconds(back) == [5, 4, 3, 2]
    assert len(back.window(JAX, "peak_memory_bytes")) == 5


@pytest.mark.parametrize("old", [False, True], ids=["today", "old"])
def test_where_what_has_to_stay_the_same_did_not_all_metrics_of_the_benchmark_changed(tmp_path, old):
    data = run(("jax", "torch"), verdicts={"jax": "regressed"}, old=old)
    for one in data["gate"]["cells" if old else "comparisons"]:
        one["metric"] = "accuracy"
    assert History(tmp_path).read(write(tmp_path, 1, data)).changed == [(JAX, name) for name in sorted(METRICS)]


@pytest.mark.parametrize("slower", [1.0, 1.3])
def test_old_runs_and_those_of_today_are_judged_alike(tmp_path, slower):
    scatter = random.Random(4)
    times = [[scatter.gauss(1.0, 0.01) for _ in range(3)] for _ in range(10)]
    today = {JAX: row(seconds=[slower * time for time in times[0]])}
    said = []
    for of_before in (range(0), range(1, 6), range(1, 11)):
        storage = tmp_path / str(len(of_before))
        for number, found in enumerate(times, start=1):
            write(storage, number, seconds=found, old=number in of_before)
        back = look_back(storage, today=today)
        said.append(judge_session(typed(today), family([JAX]), back, 8))
    assert said[0] == said[1] == said[2]
    verdicts = {one.metric: one.verdict for one in said[0]}
    assert verdicts["epoch_seconds"] == ("clean" if slower == 1 else "regressed")
    assert verdicts["accuracy"] == verdicts["peak_memory_bytes"] == "clean"


def test_the_runs_of_two_pythons_are_merged_by_their_dates(tmp_path):
    for number in range(1, 5):
        write(tmp_path, number, hour=2 * number, seconds=2 * number)
        write(tmp_path, number, hour=2 * number + 1, seconds=2 * number + 1, folder="Linux-CPython-3.12-64bit")
    assert seconds(look_back(tmp_path, size=5)) == [9, 8, 7, 6, 5]


def test_the_times_of_the_files_do_not_matter(tmp_path):
    names = [write(tmp_path, number, seconds=number) for number in range(1, 9)]
    for name, time in zip(names, random.Random(0).sample(range(10**9), 8)):
        os.utime(tmp_path / name, (time, time))
    assert seconds(look_back(tmp_path)) == [8, 7, 6, 5, 4, 3, 2, 1]


TORN = b'{"action": "acc'


@pytest.mark.parametrize(
    "line",
    [
        TORN,
        b"\xff\xfe",
        b"[1]",
        b"{}",
        b"[" * 100_000,
        b'{"action": "forget", "runs": ["a"], "restarts": [], "when": "", "who": "", "why": ""}',
        b'{"action": "accept", "runs": "abc", "restarts": [], "when": "", "who": "", "why": ""}',
        b'{"action": "accept", "runs": [["a"]], "restarts": [], "when": "", "who": "", "why": ""}',
        b'{"action": "accept", "runs": ["a"], "restarts": [], "when": 5, "who": "", "why": ""}',
        b'{"action": "accept", "runs": ["a"], "restarts": [], "when": "", "who": null, "why": ""}',
    ],
    ids=lambda line: line[:30].decode(errors="replace") + line[-30:].decode(errors="replace"),
)
def test_a_damaged_line_of_the_journal_is_left_out_and_named(tmp_path, line):
    names = [write(tmp_path, number, seconds=number, failed=1) for number in (1, 2)]
    decide(tmp_path, "accept", names[0])
    path = tmp_path / "gate" / "decisions.jsonl"
    with path.open("ab") as file:
        file.write(line)  # no newline: its writer was killed
    (finding,) = findings(tmp_path)
    assert finding.startswith(f"Left out: {path}, line 2, is no decision: '") and len(finding) < 500
    decide(tmp_path, "accept", names[1])
    assert seconds(look_back(tmp_path)) == [2, 1], "the decisions before and after are there"
    assert len(History(tmp_path).journal.damaged) == 1


@pytest.mark.parametrize("line", [{"when": "", "who": "", "why": "", "restarts": [], "more": 1}, {}])
def test_a_decision_may_say_more_than_is_known_here_and_less(tmp_path, line):
    """As one of a later version, or a line that somebody wrote by hand."""
    name = write(tmp_path, 1, failed=1)
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate" / "decisions.jsonl").write_text(json.dumps({"action": "accept", "runs": [name], **line}))
    assert seconds(look_back(tmp_path)) == [1] and findings(tmp_path) == []


DECIDER = """
import sys
from pytest_duet.record.history import History

for number in range(25):
    History(sys.argv[1]).journal.add("accept", [f"{sys.argv[2]} {number}"], why="x" * 5_000)
"""


def test_two_who_decide_at_once_lose_nothing(tmp_path):
    line = [sys.executable, "-c", DECIDER, str(tmp_path)]
    deciders = [subprocess.Popen([*line, name], cwd=ROOT) for name in ("one", "two")]
    assert [process.wait(60) for process in deciders] == [0, 0]
    journal = History(tmp_path).journal
    assert journal.damaged == []
    found = [name for decision in journal.decisions for name in decision.runs]
    assert sorted(found) == sorted(f"{name} {number}" for name in ("one", "two") for number in range(25))


def test_who_decides_waits_for_a_decision_that_is_being_written(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "LOCK_SECONDS", 0.1)
    decide(tmp_path, "accept", "before")
    with storage.lock(tmp_path / "gate"), pytest.raises(DuetError, match="held by another session"):
        decide(tmp_path, "accept", "meanwhile")
    assert [decision.runs for decision in History(tmp_path).journal.decisions] == [("before",)]
