"""What history leaves open is measured again, beside the code of accepted runs, and that verdict counts."""

import json
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from math import log

import made_runs
import numpy as np
import pytest
from made_up import HISTORY, JUDGED, METRICS, at_most, family, row
from support import ROOT

from pytest_duet.errors import DuetError
from pytest_duet.judge import by_history, calibration, settled
from pytest_duet.judge.verdict import FAMILY_ERROR
from pytest_duet.plugin.settling import Settling
from pytest_duet.record.calibrations import Calibrated
from pytest_duet.record.comparison import Verdict
from pytest_duet.record.history import History
from pytest_duet.record.lookback import Lookback
from pytest_duet.record.metrics import MEMORY
from pytest_duet.record.row import Again, Row

TIME = METRICS["epoch_seconds"]
MAX_TRIALS = 16
SD = 0.012  # of a paired trial
UNITS = {metric: 2**30 if metric == MEMORY else 1.0 for metric in JUDGED}
NEWEST, OLDEST = "a" * 40, "b" * 40
KNOWN = {
    (name, TIME.name): Calibrated(name, TIME.name, SD, 0, 0.02, 0.07, between=SD, degrees=30)
    for name in ("jax", "keras", "tensorflow", "torch")
}


def paired(shifts, subject="jax"):
    old = {metric: [10.0] * len(shifts) for metric in JUDGED}
    return row(subject, {metric: [10 * np.exp(shift) for shift in shifts] for metric in JUDGED}, old)


def again(shifts, revision=NEWEST, why_not=""):
    return Again(f"run of {revision[:1]}", revision, None if why_not else paired(shifts), why_not)


def history_of(subject, times, trials=3):
    """Return earlier rows, newest first, of runs with these times of an epoch."""
    return [row(subject, {metric: [time * UNITS[metric]] * trials for metric in JUDGED}) for time in times]


def judged(today, window, known=KNOWN):
    """Return the comparisons of a session of one benchmark, by metric."""
    back = Lookback({"jax": today})
    back.windows, back.runs = {"jax": window}, {"jax": [f"run {number}" for number in range(len(window))]}
    found = by_history.judge_session({"jax": today}, family(["jax"]), back, 8, MAX_TRIALS, known)
    return {one.metric: one for one in found}


SCATTERED = [10 * factor for factor in (1.0, 1.04, 0.96, 1.05, 0.97, 1.02, 0.95, 1.03)]
CALM = [0.01, -0.01, 0.012, -0.008, 0.0, 0.004]


def today(*measured_again, time=10.0, memory=10.0):
    values = {metric: [(memory if metric == MEMORY else time) * UNITS[metric]] * 3 for metric in JUDGED}
    return replace(row("jax", values), again=measured_again)


def test_what_history_cannot_tell_new_trials_settle():
    window = history_of("jax", SCATTERED)
    assert judged(today(), window)[TIME.name].verdict is Verdict.INCONCLUSIVE
    one = judged(today(again(CALM)), window)[TIME.name]
    assert (one.verdict, one.beside, one.runs) == (Verdict.CLEAN, NEWEST[:10], 8)
    assert one.trials <= len(CALM)
    assert "history alone says: inconclusive (0." in one.note


def test_a_slow_machine_accuses_nobody():
    """History sees a slowdown of 40 %, and the code of then is as slow today."""
    slow = today(time=14.0)
    assert judged(slow, history_of("jax", SCATTERED))[TIME.name].verdict is Verdict.REGRESSED
    one = judged(replace(slow, again=(again(CALM),)), history_of("jax", SCATTERED))[TIME.name]
    assert one.verdict is Verdict.CLEAN
    assert "history alone says: regressed" in one.note


def test_the_first_accepted_run_is_enough_for_a_verdict():
    assert judged(today(), history_of("jax", [10.0]))[TIME.name].verdict is Verdict.MISSING
    assert judged(today(again(CALM)), history_of("jax", [10.0]))[TIME.name].verdict is Verdict.CLEAN
    slower = again([shift + 0.12 for shift in CALM])
    assert judged(today(slower), history_of("jax", [10.0]))[TIME.name].verdict is Verdict.REGRESSED


def test_many_small_changes_are_one_large_one():
    """Each was within the margin, and so the newest run knows nothing of them; the oldest does."""
    crept = [again(CALM, NEWEST), again([shift + 0.12 for shift in CALM], OLDEST)]
    for order in (crept, crept[::-1]):
        one = judged(today(*order), history_of("jax", SCATTERED))[TIME.name]
        assert (one.verdict, one.beside) == (Verdict.REGRESSED, OLDEST[:10])


def test_both_have_to_be_clean():
    unsure = again([0.05, -0.05, 0.06, -0.06], OLDEST)
    one = judged(today(again(CALM), unsure), history_of("jax", SCATTERED))[TIME.name]
    assert (one.verdict, one.beside) == (Verdict.INCONCLUSIVE, OLDEST[:10])


def test_code_that_cannot_be_run_is_named_and_its_part_of_the_error_is_nobody_else_s():
    slower = again([shift + 0.12 for shift in CALM])
    missing = again([], OLDEST, "its code is in no commit.")
    one = judged(today(slower), history_of("jax", SCATTERED))[TIME.name]
    other = judged(today(slower, missing), history_of("jax", SCATTERED))[TIME.name]
    assert one.verdict is other.verdict is Verdict.REGRESSED
    assert other.alpha == one.alpha / 2
    assert "Not measured again beside run of b: its code is in no commit." in other.note


def test_where_none_can_be_run_history_alone_has_its_say():
    missing = again([], NEWEST, "its code is in no commit.")
    one = judged(today(missing, time=14.0), history_of("jax", SCATTERED))[TIME.name]
    assert (one.verdict, one.beside) == (Verdict.REGRESSED, "")
    assert "Not measured again beside run of a" in one.note


def test_what_takes_no_turns_is_history_s():
    one = judged(today(again(CALM), memory=20.0), history_of("jax", [10.0] * 8))[MEMORY]
    assert (one.verdict, one.beside) == (Verdict.REGRESSED, "")


# The error of both stages together


@pytest.mark.parametrize("mood", [0.0, 0.15], ids=["the machine as ever", "a slow machine today"])
def test_at_the_margin_at_most_5_percent_of_sessions_accuse(mood):
    """Four benchmarks, each slower by the margin. The code of two can be run again; where the machine has a mood, of
    all, for that is what history alone cannot tell."""
    rng, sessions, alarms = np.random.default_rng(5), 40, 0
    edge = log(HISTORY[TIME.name].ratio(10.0))
    metrics = {TIME.name: METRICS[TIME.name]}
    names = sorted(name for name, _ in KNOWN)
    the_family = family(names, metrics=metrics)
    can_run = names if mood else names[:2]
    for _ in range(sessions):
        rows, windows = {}, {}
        for name in names:
            runs = 0.02 * rng.standard_normal((12, 1)) + 0.01 * rng.standard_normal((12, 3))
            made = [row(name, {TIME.name: list(10 * np.exp(run))}, metrics=metrics) for run in runs]
            now = edge + mood + 0.02 * rng.standard_normal() + 0.01 * rng.standard_normal(3)
            rows[name], windows[name] = row(name, {TIME.name: list(10 * np.exp(now))}, metrics=metrics), made
        for name in can_run:
            margin = the_family.margins[name][TIME.name]
            alpha = the_family.alpha(METRICS[TIME.name])
            if settled.is_left_open(by_history.judge(name, rows[name], TIME, margin, windows[name], 8, alpha)):
                shifts = list(edge + SD * rng.standard_normal(MAX_TRIALS))  # every look there can be
                rows[name] = replace(rows[name], again=(Again("run", NEWEST, paired(shifts, name)),))
        back = Lookback(rows)
        back.windows = windows
        said = by_history.judge_session(rows, the_family, back, 8, MAX_TRIALS, KNOWN)
        alarms += any(one.verdict is Verdict.REGRESSED for one in said)
    print(f"mood {mood:.0%}: {alarms} of {sessions} sessions accuse")
    assert at_most(alarms, sessions, FAMILY_ERROR)


# What is measured again, and beside what


@pytest.fixture
def settling(tmp_path, monkeypatch):
    """Make a storage of accepted runs, and return what decides what is measured again, and the sides that it opens."""
    opened = []

    @contextmanager
    def open_other(text, repository):
        assert repository is None, "this package's own"
        opened.append(text)
        if text.endswith("dead"):
            raise DuetError("that commit is not here.\nfatal: invalid reference")
        yield text

    monkeypatch.setattr("pytest_duet.trials.other_side.open_other", open_other)

    def make(commits, versions=None, budget=None):
        """:param commits: of the runs, oldest first; None for code that is in no commit."""
        for number, commit in enumerate(commits, 1):
            times = [10.0 + number % 3] * 3
            run = made_runs.run(number=number, seconds=times, versions=versions or {"jax": "1.0"})
            run["commit_info"] = {"id": commit or "c", "dirty": commit is None}
            made_runs.write(tmp_path, number, json.dumps(run))
        name = made_runs.benchmark("jax")
        now = Row.from_json(made_runs.row("jax", seconds=[10.0] * 3))
        the_family = family([name])
        back = History(tmp_path).look_back({name: now}, made_runs.FINGERPRINT, 20)
        one = Settling(tmp_path, the_family, MAX_TRIALS, [], budget)
        return lambda measure: one.measure_again(name, now, back, measure)

    return make, opened


def measures(shifts):
    """Return a suite's half: it gives one trial more for as long as it is asked to."""

    def measure(other, wants_more):
        found = paired(shifts[:1])
        while wants_more(found):
            found = paired(shifts[: len(found.trials) + 1])
        return found

    return measure


def test_the_newest_and_the_oldest_accepted_code_are_asked(settling):
    make, opened = settling
    found = make(["old", "middle", "new"])(measures(CALM * 3))
    assert opened == ["git:new", "git:old"]
    assert [each.revision for each in found.again] == ["new", "old"]
    assert all(len(each.row.trials) >= 7 for each in found.again), "nothing is known of how they scatter"
    assert all(trial.rounds == () for each in found.again for trial in each.row.trials)
    assert Row.from_json({"duet": json.loads(json.dumps(found.as_json()))}) == found


def test_code_that_did_not_change_is_asked_once(settling):
    make, opened = settling
    make(["same"] * 4)(measures(CALM * 3))
    assert opened == ["git:same"]


def test_the_first_run_of_all_asks_nobody(settling):
    make, opened = settling
    assert make([])(measures(CALM)).again == ()
    assert opened == []


@pytest.mark.parametrize(
    ("commits", "versions", "why"),
    [
        ([None], None, "its code is in no commit."),
        (["dead"], None, "that commit is not here."),
        (["x"], {"jax": "0.9"}, "it ran with jax 0.9; make an environment with these, and take turns: --against ENV."),
    ],
)
def test_code_that_is_not_to_be_had_is_said_and_costs_nothing(settling, commits, versions, why):
    make, _ = settling
    (one,) = make(commits, versions)(measures(CALM)).again
    assert (one.row, one.why_not) == (None, why)


def test_a_budget_that_is_spent_ends_the_trials(settling):
    class Spent:
        def allows(self, seconds):
            return False

    make, _ = settling
    (one,) = make(["same"], budget=Spent())(measures(CALM * 3)).again
    assert len(one.row.trials) == 1


def test_how_trials_scatter_is_learned_from_accepted_runs():
    rng = np.random.default_rng(2)
    window = [today(again(list(SD * rng.standard_normal(5)))) for _ in range(6)]
    assert calibration.learned("jax", window[:2], TIME, family(["jax"]), MAX_TRIALS) is None, "too few"
    its = calibration.learned("jax", window, TIME, family(["jax"]), MAX_TRIALS)
    assert its.normal and its.degrees == 29
    assert its.variation == pytest.approx(SD, rel=0.4)


def test_a_change_that_somebody_accepted_is_not_taken_for_scatter():
    back = Lookback({"jax": today()})
    back.windows = {"jax": [today() for _ in range(3)]}
    assert len(back.unchanged("jax", TIME.name)) == 3
    back.end_window("jax", TIME.name)
    assert len(back.unchanged("jax", TIME.name)) == 2


# As its users meet it


def test_a_slower_commit_is_found_by_the_second_run(command, tmp_path):
    """The history has one run; eight would be needed if it had to judge by itself."""
    tree = tmp_path / "suite"
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("results"):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]

    def commit(message):
        for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", message]):
            subprocess.run([*git, *arguments], cwd=tree, check=True)

    def run():
        line, environment = command("--gate", "--epochs=3", "--max-trials=7")
        line = [part.replace(f"path={ROOT}", f"path={tree}") for part in line]
        return subprocess.run(line, cwd=tree, env=environment, capture_output=True, text=True, timeout=120)

    commit("fast")
    done = run()
    assert done.returncode == 0, done.stdout
    trainers = tree / "tests" / "liars" / "trainers.py"
    before = "    cpu_only = None\n"
    slower = "    def train_epoch(self, order):\n        time.sleep(0.001 * len(order) / 128)\n"
    text = trainers.read_text()
    assert text.count(before) == 1
    trainers.write_text(text.replace(before, f"{before}\n{slower}        return super().train_epoch(order)\n\n"))
    commit("slower")
    done = run()
    assert done.returncode == 1, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("honest, epoch time: regressed")]
    first = subprocess.run(["git", "rev-parse", "HEAD~1"], cwd=tree, capture_output=True, text=True).stdout
    assert f"7 paired trials with {first[:10]}" in line
    assert "Measured again, for history alone says: no baseline" in line
    assert "honest: history leaves its time open; taking turns with " in done.stdout, "before it is silent for a while"
