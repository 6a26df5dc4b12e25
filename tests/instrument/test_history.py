"""Which saved runs a session is judged by, and what is said of the others."""

import json
import os
import random
import subprocess
import sys

import pytest
from made_runs import FINGERPRINT, FOLDER, benchmark, row, rows, run, write
from support import ROOT

from pytest_duet.errors import DuetError
from pytest_duet.record import storage
from pytest_duet.record.history import History
from pytest_duet.record.lookback import differences

JAX = benchmark("jax")


def look_back(storage, *frameworks, today=None, size=20, aliases=(), fingerprint=FINGERPRINT):
    today = today or rows(*frameworks or ["jax"])
    return History(storage).look_back(today, fingerprint, size, aliases)


def seconds(back, name=JAX):
    """Return which runs a window holds, by the epoch time that each was given; newest first."""
    return [row["trials"][0]["epoch_seconds"] for row in back.window(name, "epoch_seconds")]


def findings(storage, *frameworks, was_asked=lambda framework: True, **how):
    back = look_back(storage, *frameworks, **how)
    return back.findings(was_asked, back.rows)


def decide(storage, action, *names, restarts=()):
    History(storage).journal.add(action, names, restarts)


def test_the_window_holds_the_newest_accepted_runs(tmp_path):
    for number in range(1, 13):
        write(tmp_path, number, seconds=number)
    back = look_back(tmp_path, size=10)
    assert seconds(back) == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]
    assert back.findings(lambda framework: True, back.rows) == []


def test_no_storage_is_an_empty_window(tmp_path):
    back = look_back(tmp_path / "none")
    assert seconds(back) == [] and back.findings(lambda framework: True, back.rows) == []


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
def test_a_run_that_is_not_sound_waits_until_somebody_accepts_it(tmp_path, how, why):
    write(tmp_path, 1, seconds=1)
    name = write(tmp_path, 2, seconds=2, **how)
    history = History(tmp_path)
    state, text = history.state(history.read(name))
    assert state == "held" and text.startswith(why)
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
    assert history.state(history.read(write(tmp_path, 1, data))) == ("held", "it says nothing of how it ended")
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
    data["gate"].update(mode=None, cells=[])
    write(tmp_path, 1, data)
    history = History(tmp_path)
    (saved,) = history.newest_first()
    assert history.state(saved) == ("held", "the gate was not asked about it")
    assert seconds(look_back(tmp_path)) == []


def test_another_workload_is_no_baseline_and_has_not_vanished(tmp_path):
    other = {"batch_size": 256, "epochs": 6}
    old = JAX.replace("[jax]", "[jax-batch_size=256]")
    write(tmp_path, 1, run({old: row(workload=other)}))
    assert findings(tmp_path) == []
    back = look_back(tmp_path, aliases={old: JAX})
    assert seconds(back) == []
    assert "workload.batch_size from 256 to 128" in back.findings(lambda framework: True, back.rows)[0]


def test_a_benchmark_that_failed_today_has_not_vanished(tmp_path):
    write(tmp_path, 1, frameworks=("jax", "torch"))
    back = look_back(tmp_path, "jax")
    assert back.findings(lambda framework: True, {JAX, benchmark("torch")}) == []


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
    assert back.findings(lambda framework: True, back.rows) == [
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
    ("changed", "text"),
    [
        ({"device": "gpu"}, "device from 'gpu' to 'cpu'"),
        ({"contract": {**row()["contract"], "data": "device"}}, "contract.data from 'device' to 'host-fed'"),
        ({"threads": {"asked": 1}}, "threads from 1 to 2"),
        ({"threads": None}, "threads from None to 2"),
        ({"scheduling": "other"}, "scheduling from 'other' to 'batch'"),
        ({"dataset": {"digest": "ffff"}}, "digest of the data from 'ffff' to '5a4d'"),
    ],
)
def test_a_benchmark_measured_under_other_conditions_is_named(tmp_path, changed, text):
    name = write(tmp_path, 1, {**run(rows("torch") | {JAX: row(**changed)})})
    back = look_back(tmp_path, "jax", "torch")
    assert seconds(back) == [] and seconds(back, benchmark("torch")) == [1]
    assert back.findings(lambda framework: True, back.rows) == [f"Other conditions: {JAX}, since {name}: {text}."]
    write(tmp_path, 2)
    assert findings(tmp_path, "jax", "torch") == [], "once there is a run under these"


def test_a_vanished_benchmark_is_named(tmp_path):
    write(tmp_path, 1, frameworks=("jax", "torch"))
    write(tmp_path, 2)
    (finding,) = findings(tmp_path, "jax")
    assert finding.startswith(f"Vanished: {benchmark('torch')} was in the last 2 accepted runs and is not in this one.")
    assert "history accept latest" in finding
    assert findings(tmp_path, "jax", was_asked=lambda framework: framework != "torch") == []


def test_what_vanished_is_remembered_for_as_long_as_a_window(tmp_path):
    write(tmp_path, 1, frameworks=("jax", "torch"))
    names = [write(tmp_path, number) for number in (2, 3)]
    (finding,) = findings(tmp_path, "jax", size=3)
    assert finding.startswith(f"Vanished: {benchmark('torch')} was in the last 3")
    assert findings(tmp_path, "jax", size=2) == []
    decide(tmp_path, "accept", names[0])
    assert findings(tmp_path, "jax", size=3) == [], "somebody accepted a run that does without it"


def test_a_renamed_benchmark_is_named_and_an_alias_carries_its_history_over(tmp_path):
    old, new = JAX, JAX.replace("training_epoch", "training")
    write(tmp_path, 1, seconds=3)
    today = {new: row()}
    (finding,) = findings(tmp_path, today=today)
    assert finding.startswith(f"Vanished: {old}")
    _, _, line = finding.partition("under gate_aliases: ")
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
    del data["benchmarks"][0]["extra_info"][name]
    return data


DAMAGED = {
    "cut in half": json.dumps(run())[:400],
    "empty": "",
    "no text": "\udc80",
    "a list": [run()],
    "nothing": "null",
    "too deep": "[" * 100_000,
    "without benchmarks": {},
    "benchmarks are none": {**run(), "benchmarks": {"jax": 1}},
    "a benchmark is none": {**run(), "benchmarks": ["jax"]},
    "a benchmark without a name": {**run(), "benchmarks": [{"extra_info": row()}]},
    "a name that is none": {**run(), "benchmarks": [{"fullname": ["jax"], "extra_info": row()}]},
    "extra_info is none": {**run(), "benchmarks": [{"fullname": "jax", "extra_info": [1]}]},
    "a machine that is none": {**run(), "machine_info": "mine"},
    "a fingerprint that is none": run(fingerprint=["mine"]),
    "a date that is none": {**run(), "datetime": 5},
    "a commit that is none": {**run(), "commit_info": "abc"},
    "a gate that is none": {**run(), "gate": [1]},
    "cells that are none": {**run(), "gate": {"mode": "history", "failed_tests": 0, "cells": [1]}},
    "a gate without cells": {**run(), "gate": {"mode": "history", "failed_tests": 0}},
    "failed tests that are none": run(failed="many"),
    "without a device": without("device", run()),
    "without a framework": without("framework", run()),
    "without an accuracy": without("accuracy", run()),
    "without data": without("dataset", run()),
    "trials that are none": run(trials=5),
    "a trial that is none": run(trials=[1]),
    "a trial without memory": run(trials=[{"epoch_seconds": 1}]),
    "a time that is none": run(seconds="fast"),
    "threads that are none": run(threads=[2]),
    "versions that are none": run(versions="1.0"),
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
    (finding,) = back.findings(lambda framework: True, back.rows)
    assert finding.startswith(f"Left out: {tmp_path / name} is damaged: ")
    assert "\n" not in finding and len(finding) < 500
    with pytest.raises(DuetError, match="is damaged"):
        History(tmp_path).read(name)


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
    write(tmp_path, 1, versions=None, trials=[{"epoch_seconds": None, "memory": {"allocator_peak_bytes": None}}])
    assert len(look_back(tmp_path).windows[JAX]) == 1


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
        b'{"action": "accept", "runs": ["a"], "restarts": [], "when": "", "who": "", "why": "", "more": 1}',
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
