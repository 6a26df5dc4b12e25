"""The gate against another environment: two live sides that take turns."""

import json
import shutil
import subprocess
import sys
import venv
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy
import numpy as np
import pytest
from made_up import AGAINST, JUDGED, METRICS, row
from support import ROOT, TRAINERS

from benchmarks.frameworks import entries_of_file
from benchmarks.trainer_runner import TrainerRunner
from benchmarks.workload.spec import Workload
from pytest_duet.errors import DuetError
from pytest_duet.plugin import judging
from pytest_duet.plugin.budget import Budget
from pytest_duet.plugin.gate import Gate
from pytest_duet.plugin.gate_output import UNDECIDED
from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.trials.other_side import Other, open_other
from pytest_duet.trials.pairs import run_pair
from pytest_duet.trials.turns import WHOLE_ROUNDS, Cut

SHORT = ("--epochs=4", "--max-trials=7")  # with one benchmark of unknown noise, to accuse takes seven


@pytest.fixture
def other(tmp_path):
    """Another environment, which has NumPy only through the environment variables returned with it."""
    venv.create(tmp_path / "other", symlinks=True)
    site_packages = str(Path(numpy.__file__).parents[1])
    return str(tmp_path / "other"), {"PYTHONPATH": site_packages}


@pytest.fixture
def runner():
    (honest,) = [entry for entry in entries_of_file(TRAINERS) if entry.name == "honest"]
    return TrainerRunner(honest, Workload(dataset="synthetic", layer_sizes=(784, 32, 10), epochs=4))


def test_the_same_code_is_not_slower_than_itself(suite):
    """By far, that is: nothing is asserted of times here."""
    margins = [f"--gate-margin={metric}=10000%" for metric in ("epoch_seconds", "first_epoch_seconds")]
    run = suite("--against=self", *SHORT, *margins)
    assert run.exit_code == 0, run.output
    (benchmark,) = run.json["benchmarks"]
    assert benchmark["name"].startswith("test_training_against[honest")
    row = benchmark["extra_info"]["duet"]
    assert row["against"]["name"] == "self"
    assert len(row["trials"]) == len(row["against"]["row"]["trials"]) == len(row["against"]["ratios"])
    assert 5 <= len(row["trials"]) <= 7, "five may be clean"
    verdicts = {cell["metric"]: cell["verdict"] for cell in run.json["gate"]["comparisons"]}
    assert verdicts["accuracy"] == verdicts["peak_memory_bytes"] == "clean"
    assert "regressed" not in verdicts.values()
    assert run.json["gate"]["max_trials"] == 7


def test_a_slower_side_is_an_ordinary_failed_test(suite, other):
    directory, environment = other
    run = suite(f"--against={directory}", *SHORT, "--epochs=3", frameworks="slow-here", environment=environment)
    assert run.exit_code == 1, run.output
    ((outcome, message),) = [case for name, case in run.cases.items() if ".gate[" in name]
    assert outcome == "failure"
    for part in ("slow-here, epoch time: regressed", " → ", " %, interval +", ", margin ", "7 paired trials"):
        assert part in message
    assert "--gate-margin" in message
    assert "Traceback" not in run.output and "gate.py" not in run.output


@pytest.mark.parametrize("trainer", ["wrong-here", "wrong-there"])
def test_a_side_that_trains_something_else_makes_every_verdict_void(suite, other, trainer):
    directory, environment = other
    run = suite(f"--against={directory}", *SHORT, frameworks=trainer, environment=environment)
    assert run.exit_code == 1
    assert "parity fails" in run.output
    side = f"{directory}'s {trainer}:" if trainer == "wrong-there" else f"{trainer}:"
    assert side in run.output
    assert f"gate: {4} void" in run.output


def test_a_framework_that_the_other_side_lacks_is_skipped(suite, other):
    directory, environment = other
    run = suite(f"--against={directory}", *SHORT, frameworks="wants-a-module", environment=environment)
    assert run.exit_code == 0
    assert "no_such_module not installed" in run.output
    assert "gate: 4 no baseline" in run.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--against=nowhere"], "there is no interpreter"),
        ([f"--against={sys.executable}"], "this session itself runs in that environment"),
        ([f"--against={sys.prefix}"], "--against=self does that on purpose"),
        (["--against=git:no-such-revision"], "no-such-revision"),
        (["--against=self", "--gate"], "choose one"),
        (["--against=self", "--epochs=2"], "give 3 or more"),
        (["--against=self", "--isolation=none"], "two processes"),
        (["--against=self", "--budget=soon"], "--budget: 'soon' is no time such as 90s, 5m or 1h"),
        (["--gate", "--gate-margin=speed=5%"], "'speed' is none of"),
        (["--gate", "--gate-metrics=loss"], "--gate-metrics=loss: another side has to compute the same now"),
        (["--gate", "--gate-metrics=seconds"], "--gate-metrics=seconds: no benchmark of this session has that."),
        (["--gate", "--gate-margin=seconds=5%"], "--gate-margin=seconds=5%: no benchmark of this session has that."),
        (["--gate", "--gate-margin=epoch_seconds=5"], "'5' is no margin"),
        (["--gate", "--gate-json=no/such/folder/gate.json"], "there is no folder"),
    ],
)
def test_nonsense_is_told_in_one_line(suite, arguments, message):
    run = suite(*arguments)
    assert run.exit_code != 0
    assert message in run.output
    assert "Traceback" not in run.output


def test_what_is_computed_is_compared_to_the_last_bit_where_that_is_asked_for(suite):
    run = suite("--against=self", *SHORT, "--gate-metrics=loss")
    (one,) = [each for each in run.json["gate"]["comparisons"] if each["metric"] == "loss"]
    assert run.exit_code == 0 and (one["verdict"], one["note"]) == ("clean", ""), run.output
    assert len(run.rows["honest"]["trials"]) == 1, "one trial is an answer"


def test_too_few_trials_for_an_answer_are_said(suite):
    run = suite("--against=self", "--epochs=3", "--max-trials=1")
    assert "--max-trials=1 are too few for an answer" in run.output
    assert run.exit_code == 0, "inconclusive only warns"
    run = suite("--against=self", "--epochs=3", "--max-trials=1", "--gate-inconclusive=fail")
    assert run.exit_code == UNDECIDED, "nothing regressed"


def test_a_budget_ends_the_trials(suite):
    run = suite("--against=self", "--epochs=3", "--budget=0.1s")
    assert len(run.rows["honest"]["trials"]) == 1, "the first is run all the same"
    assert run.exit_code == 0


def test_another_revision_is_checked_out_and_goes_again():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    with open_other("git:HEAD") as other:
        tree = Path(other.root)
        assert (tree / "pytest_duet" / "workers" / "serve.py").is_file()
        listed = subprocess.run(["git", "-C", str(ROOT), "worktree", "list"], text=True, capture_output=True).stdout
        assert str(tree) in listed
    assert not tree.exists()
    listed = subprocess.run(["git", "-C", str(ROOT), "worktree", "list"], text=True, capture_output=True).stdout
    assert str(tree) not in listed


@pytest.fixture
def older(tmp_path):
    """Returns the suite's code in another folder, changed by replacing a text in a file."""

    def change(file, old, new):
        for folder in ("benchmarks", "pytest_duet", "tests"):
            shutil.copytree(ROOT / folder, tmp_path / folder)
        path = tmp_path / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        return Other("git:older", root=str(tmp_path))

    return change


def test_the_other_revisions_own_code_is_run(runner, older):
    other = older("benchmarks/host.py", "scheduling=scheduling_policy()", 'scheduling="of another revision"')
    found = []
    for side in (runner, other.runner(runner)):
        with side.worker() as worker:
            found.append(worker.open(**side.open_arguments()).scheduling == "of another revision")
    assert found == [False, True]


def test_a_trainers_file_inside_the_repository_is_the_other_revisions_too(runner):
    entry = Other("git:older", root="/elsewhere").runner(runner).entry
    assert entry.location == f"/elsewhere/{TRAINERS.relative_to(ROOT)}:Honest"


def test_a_trainers_file_outside_the_repository_is_the_same_on_both_sides_so_it_is_refused(runner, tmp_path):
    entry = replace(runner.entry, location=f"{tmp_path}/mine.py:Mine")
    with pytest.raises(DuetError, match="not part of the suite's repository"):
        Other("git:older", root="/elsewhere").runner(replace(runner, entry=entry))


def test_a_revision_that_cannot_take_turns_is_named(runner, older):
    other = older("pytest_duet/workers/protocol.py", "PROTOCOL = 3", "PROTOCOL = 1")
    with pytest.raises(DuetError, match=r"honest: .* protocol 1, .* 3\. The other revision cannot take turns"):
        run_pair(runner, other.runner(runner), 1, MemorySampler, WHOLE_ROUNDS)


def test_a_pair_trains_the_same_epochs_whole_and_in_turns(runner):
    cut = Cut(((0, 3), (3, 6), (6, 9), (9, 12)), 12)
    pair = run_pair(runner, runner, 1, MemorySampler, cut)
    whole = runner.run(1, MemorySampler)
    for side in (pair.new, pair.old):
        assert [epoch.number for epoch in side.rounds] == [1, 3, 4]
        assert side.rounds[-1].metrics["own_accuracy"] == whole.rounds[-1].metrics["own_accuracy"]
        for taken, right in zip(flat(side.rounds[-1]), flat(whole.rounds[-1]), strict=True):
            assert np.array_equal(taken, right), "all steps, each once, in their order"
        assert side.rounds[-1].metrics["loss"] == pytest.approx(whole.rounds[-1].metrics["loss"], rel=1e-6)
    assert len(pair.blocks) == 1 + 2 * 2, "of the second epoch all but its first turns"
    assert sum(block.new for block in pair.blocks) < sum(epoch.seconds for epoch in pair.new.steady)


def flat(one):
    return [array for layer in one.evidence["parameters"] for array in layer]


def test_another_interpreter_is_the_other_side_by_its_path(tmp_path):
    (tmp_path / "python3").symlink_to(sys.executable)
    with open_other(str(tmp_path / "python3")) as other:
        assert other.python == str(tmp_path / "python3")


def options(**its):
    return SimpleNamespace(
        against="self",
        mode="against",
        active=True,
        history=False,
        max_trials=16,
        metrics=METRICS,
        suite=frozenset(METRICS),
        error="any",
        alpha=None,
        work="report",
        **its,
    )


def test_what_a_budget_is_too_short_for_costs_no_other_its_answer(pytestconfig):
    """Of two, after a trial of 10 s each, where the first answer takes several more: it has time for one of them."""
    now = [0.0]
    gate = Gate(options(), pytestconfig)
    gate.margins, gate.subjects = {"a": AGAINST, "b": AGAINST}, {"a": "jax", "b": "torch"}
    gate.budget = Budget(80.0, gate.margins, lambda: now[0])
    gate.begin(gate.margins)
    values = {metric: [1e9] for metric in JUDGED}
    rows = {node: row(subject, values, old=values) for node, subject in gate.subjects.items()}
    rows = {node: replace(its, against=replace(its.against, wall_seconds=(10.0,))) for node, its in rows.items()}
    assert judging.worth_more(gate, rows) == ["a"]
    now[0] = 60.0
    assert judging.worth_more(gate, rows) == ["a", "b"], "no answer is in reach any more, two trials are"
    now[0] = 71.0
    assert judging.worth_more(gate, rows) == []


def test_a_session_that_is_stopped_says_what_it_knows_by_then(pytestconfig, tmp_path, monkeypatch):
    """Of a benchmark whose trials are not all run as well; of one that had not begun, nothing."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    gate = Gate(options(json=str(tmp_path / "gate.json")), pytestconfig)
    gate.margins, gate.subjects = {"begun": AGAINST, "to come": AGAINST}, {"begun": "jax", "to come": "torch"}
    fast, slow = ({metric: [value] * 9 for metric in JUDGED} for value in (1e9, 2e9))
    assert judging.worth_more(gate, {"begun": row("jax", slow, old=fast)}) == []
    gate.pytest_keyboard_interrupt()
    gate.finish()
    said = json.loads((tmp_path / "gate.json").read_text())
    assert said["interrupted"] and "until then" in said["cautions"][-1]
    assert {one["benchmark"] for one in said["comparisons"]} == {"begun"}
    verdicts = {one["metric"]: one["verdict"] for one in said["comparisons"]}
    assert verdicts["epoch_seconds"] == "regressed"
