"""What a calibration says of a machine is so: its variation, its false alarms, and what the gate would catch there."""

import json
import os
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from made_up import AGAINST, HISTORY, JUDGED, METRICS, at_least, family, row
from support import ROOT, TRAINERS

from pytest_duet.judge import by_history, by_pairs
from pytest_duet.judge.calibration import (
    Calibrated,
    by_history_sessions,
    by_pairs_sessions,
    cautions,
    inflation,
    is_normal,
)
from pytest_duet.judge.sequential import Noise
from pytest_duet.record import calibrations
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.lookback import Lookback

SUBJECTS = ("jax", "keras", "torch")
WINDOW, TRIALS, MAX_TRIALS = 20, 5, 16
BY_HISTORY, BY_PAIRS = family(SUBJECTS, HISTORY), family(SUBJECTS, AGAINST)
UNITS = {"epoch_seconds": 10.0, "peak_memory_bytes": 1e9, "first_epoch_seconds": 10.0}


def session(rng, within, between=0.0, trials=TRIALS, slower=1.0, pairs=False):
    """Return one session's rows, ``{subject: row}``.

    :param slower: what torch's epochs are slower by.
    """

    def side(factor):
        run = between * rng.standard_normal()
        return {
            metric: list(unit * (factor if metric == "epoch_seconds" else 1) * np.exp(run + noise))
            for (metric, unit), noise in zip(UNITS.items(), within * rng.standard_normal((3, trials)))
        }

    return {
        name: row(name, side(slower if name == "torch" else 1.0), side(1.0) if pairs else None) for name in SUBJECTS
    }


def by_metric(found, subject="torch"):
    return {one.metric: one for one in found if one.benchmark == subject}


# Against history


def test_the_variation_from_session_to_session_is_recovered():
    rng = np.random.default_rng(4)
    found = by_history_sessions([session(rng, 0.02, 0.03) for _ in range(60)], BY_HISTORY, WINDOW)
    assert len(found) == len(SUBJECTS) * len(JUDGED)
    for one in found:
        assert one.variation == pytest.approx((0.03**2 + 0.02**2 / TRIALS) ** 0.5, rel=0.3)
        assert one.smallest_slowdown == pytest.approx(
            (1 + one.resolves) * HISTORY[one.metric].ratio(UNITS[one.metric]) - 1, rel=0.02
        )


def test_unchanged_sessions_give_no_false_alarm_and_a_slow_one_does():
    rng = np.random.default_rng(4)
    quiet = [session(rng, 0.005) for _ in range(9)]
    alarms = {one.false_alarms for one in by_history_sessions(quiet, BY_HISTORY, WINDOW)}
    assert alarms == {0}
    found = by_history_sessions([*quiet, session(rng, 0.005, slower=1.3)], BY_HISTORY, WINDOW)
    assert by_metric(found)["epoch_seconds"].false_alarms == 1
    assert sum(one.false_alarms for one in found) == 1


@pytest.mark.parametrize("between", [0.0, 0.02], ids=["runs alike", "runs differ"])
def test_against_history_the_smallest_slowdown_is_caught_in_about_95_percent_of_sessions(between):
    """By full windows, over several calibrations of 60 sessions: fewer know the machine less well."""
    rng = np.random.default_rng(4)
    caught, sessions = 0, 200
    for number in range(sessions):
        if number % 100 == 0:
            known = by_history_sessions([session(rng, 0.02, between) for _ in range(60)], BY_HISTORY, WINDOW)
            smallest = by_metric(known)["epoch_seconds"].smallest_slowdown
        back = Lookback(dict.fromkeys(SUBJECTS))
        window = [session(rng, 0.02, between) for _ in range(WINDOW)]
        back.windows = {name: [run[name] for run in window] for name in SUBJECTS}
        today = session(rng, 0.02, between, slower=1 + smallest)
        found = by_history.judge_session(today, BY_HISTORY, back, 8)
        caught += by_metric(found)["epoch_seconds"].verdict is Verdict.REGRESSED
    print(
        f"against history, runs differ by {between}: {smallest:.1%} slower, caught in {caught} of {sessions} sessions"
    )
    assert at_least(caught, sessions, 0.94)
    assert caught < sessions, "or a smaller one would be"


# Against another environment


def test_the_variation_from_trial_to_trial_is_recovered():
    rng = np.random.default_rng(4)
    found = by_pairs_sessions(
        [session(rng, 0.02, trials=16, pairs=True) for _ in range(20)], BY_PAIRS, MAX_TRIALS, MAX_TRIALS
    )
    assert len(found) == len(SUBJECTS) * len(JUDGED)
    assert all(one.variation == pytest.approx(0.02 * 2**0.5, rel=0.2) for one in found)
    assert {one.false_alarms for one in found} == {0}


def test_of_pairs_a_slow_session_is_a_false_alarm_too():
    rng = np.random.default_rng(4)
    sessions = [session(rng, 0.005, trials=16, pairs=True, slower=1 + 0.3 * (number == 2)) for number in range(5)]
    found = by_pairs_sessions(sessions, BY_PAIRS, MAX_TRIALS, MAX_TRIALS)
    assert by_metric(found)["epoch_seconds"].false_alarms == 1
    assert sum(one.false_alarms for one in found) == 1


def test_against_another_environment_the_smallest_slowdown_is_caught_in_95_percent_of_sessions():
    rng = np.random.default_rng(4)
    known = by_pairs_sessions(
        [session(rng, 0.02, trials=16, pairs=True) for _ in range(60)], BY_PAIRS, MAX_TRIALS, MAX_TRIALS
    )
    smallest = by_metric(known)["epoch_seconds"].smallest_slowdown
    known = {(one.benchmark, one.metric): one for one in known}
    caught, sessions = 0, 100
    for _ in range(sessions):
        today = session(rng, 0.02, trials=16, pairs=True, slower=1 + smallest)
        found = by_pairs.judge_session(today, BY_PAIRS, MAX_TRIALS, known)
        caught += by_metric(found)["epoch_seconds"].verdict is Verdict.REGRESSED
    print(f"pairs: {smallest:.1%} slower, caught in {caught} of {sessions} sessions")
    assert at_least(caught, sessions, 0.95)
    assert caught < sessions, "or a smaller one would be"


def test_too_few_trials_for_any_answer_are_not_calibrated():
    rng = np.random.default_rng(4)
    sessions = [session(rng, 0.02, trials=3, pairs=True) for _ in range(5)]
    assert by_pairs_sessions(sessions, BY_PAIRS, 3, 3) == []


def test_what_a_calibration_learnt_is_what_the_gate_goes_by():
    """A known scatter answers after four trials what takes eight where it is unknown."""
    rng = np.random.default_rng(4)
    known = by_pairs_sessions(
        [session(rng, 0.007, trials=6, pairs=True) for _ in range(10)], BY_PAIRS, MAX_TRIALS, MAX_TRIALS
    )
    assert all(one.normal and 1 <= one.inflation < 1.7 and one.degrees == 30 for one in known)
    by_name = {(one.benchmark, one.metric): one for one in known}
    answered = {True: 0, False: 0}
    for _ in range(100):
        today = session(rng, 0.007, trials=4, pairs=True, slower=1.05)
        for calibrated in answered:
            found = by_pairs.judge_session(today, BY_PAIRS, MAX_TRIALS, by_name if calibrated else {})
            answered[calibrated] += by_metric(found)["epoch_seconds"].verdict is Verdict.REGRESSED
    print(f"5 % slower, four trials: caught in {answered[True]} of 100 calibrated, {answered[False]} uncalibrated")
    assert answered[True] > 75 > 25 > answered[False]


def test_trials_that_are_not_normal_and_neighbours_that_are_alike_are_seen():
    rng = np.random.default_rng(4)
    assert is_normal(list(rng.standard_normal(60)))
    assert not is_normal(list(rng.choice([-1.0, 1.0], 60) + 0.1 * rng.standard_normal(60)))
    assert is_normal([1.0] * 60), "no noise at all"
    assert not is_normal(list(rng.standard_normal(14))), "too few to tell"
    alone = [list(rng.standard_normal(6)) for _ in range(200)]
    assert 1 <= inflation(alone) < 1.15
    assert inflation(alone[:5]) > inflation(alone), "few trials promise little"
    alike = [[float(middle + 0.3 * rng.standard_normal()) for _ in range(6)] for middle in rng.standard_normal(10)]
    assert inflation(alike) > 2


def test_neighbours_are_as_alike_as_the_machine_makes_them():
    """Few trials of each of three benchmarks tell together what those of one cannot; its own word still counts."""
    rng = np.random.default_rng(4)
    three = [[list(rng.standard_normal(7)) for _ in range(4)] for _ in range(3)]
    alone, together = [inflation(its) for its in three], [inflation(its, three) for its in three]
    assert all(1 <= one <= other for one, other in zip(together, alone)) and sum(together) < 0.9 * sum(alone)
    alike = [[float(middle + 0.3 * rng.standard_normal()) for _ in range(7)] for middle in rng.standard_normal(4)]
    assert inflation(alike, [*three, alike]) > 2


@pytest.mark.parametrize("alike", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("trials", [4, 16])
def test_the_mean_of_few_trials_scatters_as_a_known_process_s_does(trials, alike):
    noise = np.random.default_rng(6).standard_normal((40_000, trials))
    for trial in range(1, trials):
        noise[:, trial] = alike * noise[:, trial - 1] + (1 - alike**2) ** 0.5 * noise[:, trial]
    inflated = Noise(inflation=((1 + alike) / (1 - alike)) ** 0.5).inflated(trials)
    assert inflated == pytest.approx(noise.mean(axis=1).std() * trials**0.5, rel=0.02)


def recorded(*names):
    return [str(ROOT / "results" / "gate" / "2026-11-24" / f"{name}.json") for name in names]


def calibrate_from(tmp_path, *files):
    line = [sys.executable, "-m", "pytest_duet", "calibrate", "--against", f"--storage={tmp_path}", "--from", *files]
    return subprocess.run(line, cwd=ROOT, text=True, capture_output=True, timeout=60)


def test_saved_sessions_are_calibrated_by_as_well_as_new_ones(tmp_path):
    done = calibrate_from(tmp_path, *recorded("uncalibrated-aa-01", "uncalibrated-aa-02", "uncalibrated-aa-03"))
    assert done.returncode == 0, done.stderr
    (where,) = tmp_path.glob("gate/calibration/*-against.json")
    kept = json.loads(where.read_text())
    assert kept["sessions"] == 3 and len(kept["calibrated"]) == 9
    assert all(
        0 <= one["between"] <= one["variation"] for one in kept["calibrated"] if one["metric"] == "epoch_seconds"
    )


def test_what_is_no_session_of_its_kind_is_refused(tmp_path):
    history = ROOT / "results" / "2026-11-21-cpu-2-cores.json"
    files = [*recorded("uncalibrated-aa-01", "uncalibrated-aa-02"), str(history)]
    done = calibrate_from(tmp_path, *files)
    assert done.returncode == 2 and f"--from {history}: it is no session of --against." in done.stderr
    done = calibrate_from(tmp_path, *recorded("no-such-run", "uncalibrated-aa-01", "uncalibrated-aa-02"))
    assert done.returncode == 2 and "no-such-run.json is damaged" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


# Kept, and what the gate says by it

MACHINE = {"cpu": "any", "cores": 2}
KNOWN = Calibrated("torch", "epoch_seconds", 0.02, 0, 0.04, 0.09)


def keep(directory, found, mode="history", **about):
    return calibrations.save(directory, MACHINE, mode, found, **about)


def kept(directory, fingerprint=MACHINE, mode="history"):
    return calibrations.load(directory, fingerprint, mode)


def test_a_calibration_is_kept_for_its_machine_and_its_way_of_judging(tmp_path):
    where = keep(tmp_path, [KNOWN], sessions=10)
    assert json.loads(where.read_text())["sessions"] == 10
    assert kept(tmp_path) == [KNOWN]
    assert kept(tmp_path, mode="against") == []
    assert kept(tmp_path, dict(MACHINE, cores=4)) == []


def test_a_machine_that_reports_some_pages_less_is_the_same(tmp_path):
    """After a restart a kernel may: 25,276,514,304 bytes became 25,276,510,208 here."""
    before, after = ({**MACHINE, "memory_bytes": its} for its in (25_276_514_304, 25_276_510_208))
    calibrations.save(tmp_path, before, "against", [KNOWN])
    assert calibrations.load(tmp_path, after, "against") == [KNOWN]
    calibrations.save(tmp_path, after, "against", [])
    assert calibrations.load(tmp_path, before, "against") == [], "and so the later one replaces the earlier"
    assert calibrations.load(tmp_path, {**MACHINE, "memory_bytes": 2**33}, "against") == []


def test_a_later_one_replaces_it(tmp_path):
    keep(tmp_path, [KNOWN])
    keep(tmp_path, [])
    assert kept(tmp_path) == []


def test_one_that_was_kept_before_the_cells_were_called_comparisons_is_read_still(tmp_path):
    old = {"schema": 1, "mode": "history", "fingerprint": MACHINE, "cells": [asdict(KNOWN)]}
    keep(tmp_path, []).write_text(json.dumps(old))
    assert kept(tmp_path) == [KNOWN]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"calibrated": null}',
        b'{"cells": null}',
        b'{"calibrated": ["a"]}',
        b'{"cells": ["a"]}',
        b'{"calibrated": [{"metric": 1}]}',
        b'{"calibrated": "all"}',
        b'{"schema": 99, "calibrated": []}',
    ],
)
def test_a_damaged_file_is_as_good_as_none(tmp_path, damage):
    where = keep(tmp_path, [KNOWN])
    whole = where.read_bytes()
    for content in (damage, whole[: len(whole) // 2]):
        where.write_bytes(content)
        assert calibrations.load(tmp_path, MACHINE, "history") == []


def test_only_a_margin_below_what_the_machine_resolves_is_cautioned_about():
    judged = [
        Comparison("torch", "torch", "epoch_seconds", Verdict.INCONCLUSIVE, margin=margin)
        for margin in (1.03, 1.05, None)
    ]
    judged += [Comparison("jax", "jax", "epoch_seconds", Verdict.INCONCLUSIVE, margin=1.001)]  # nothing is known of it
    (found,) = cautions(judged, {("torch", "epoch_seconds"): KNOWN}, METRICS)
    assert found.startswith(
        "torch, epoch time: the margin, 3.0%, is below what this machine resolves, 4.0%: only slowdowns beyond 7.1% are"
    )
    assert cautions(judged, {}, METRICS) == []


# The command


def calibrate(tmp_path, *arguments, sessions=3):
    line = [sys.executable, "-m", "benchmarks", "calibrate", f"--sessions={sessions}", f"--storage={tmp_path}/storage"]
    line += ["--", "--dataset=synthetic", "--layer-sizes=784,32,10", f"--framework-path={TRAINERS}", "--trials=2"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"FRAMEWORK_BENCHMARKS_CACHE": str(tmp_path / "cache")}
    line += ["--epochs=2", "--max-foreign-cores=99", *arguments]
    return subprocess.run(line, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=300)


def test_the_command_runs_the_sessions_and_keeps_what_they_show(tmp_path):
    done = calibrate(tmp_path, "--frameworks=honest")
    (where,) = tmp_path.glob("storage/gate/calibration/*-history.json")
    kept = json.loads(where.read_text())
    alarms = sum(one["false_alarms"] for one in kept["calibrated"])
    assert done.returncode == (1 if alarms else 0), done.stdout + done.stderr
    assert kept["sessions"] == 3
    assert {one["metric"] for one in kept["calibrated"]} == set(JUDGED)
    assert "session 3 of 3: 1 benchmarks" in done.stdout
    assert f"wrote {where}" in done.stdout


@pytest.mark.parametrize(
    ("frameworks", "why"),
    [("wrong-rate", "A session saved nothing"), ("honest,wrong-rate", "A session failed, and only sound ones")],
)
def test_sessions_that_fail_are_no_calibration(tmp_path, frameworks, why):
    done = calibrate(tmp_path, f"--frameworks={frameworks}")
    assert done.returncode == 2
    assert done.stderr.startswith(why), done.stderr
    assert "wrong-rate: parity fails" in done.stderr
    assert not list(tmp_path.glob("storage/gate/calibration/*"))


def test_too_few_sessions_are_refused(tmp_path):
    done = calibrate(tmp_path, "--frameworks=honest", sessions=2)
    assert done.returncode == 2
    assert "--sessions=2: give 3 or more." in done.stderr
    assert "Traceback" not in done.stderr
