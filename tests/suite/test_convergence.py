"""Time to accuracy: who says that a network is good has trained it as all others did, and what it took is all told."""

from dataclasses import replace
from functools import lru_cache
from math import inf

import pytest
from support import ROOT, TRAINERS, Terminal

from benchmarks.convergence import Convergence
from benchmarks.frameworks import Entry
from benchmarks.proof.convergence import check_convergence
from benchmarks.proof.parity import ParityError
from benchmarks.report import convergence_table
from benchmarks.workload import oracle
from benchmarks.workload.dataset import synthetic
from benchmarks.workload.recipe import RECIPE, SEEDS, workloads_of
from benchmarks.workload.spec import Workload
from pytest_duet.record.metrics import Measured
from pytest_duet.record.row import Row
from pytest_duet.trials.trial import Memory, Trial
from pytest_duet.workers.protocol import SubjectError

LIARS = ROOT / "tests" / "liars" / "convergence.py"
SMALL = Workload(dataset="synthetic", layer_sizes=(784, 16, 10), learning_rate=0.01)
REACHED = 0.6  # by the fourth epoch, from each of these seeds
ASKED = ("--suite=convergence", "--trials=1", "--seeds=2", f"--target-accuracy={REACHED}", "--learning-rate=0.01")


@lru_cache
def trajectory(workload):
    return oracle.compute(workload, synthetic())


def trained(location, target=REACHED, device="cpu"):
    """Return what a trainer made of two seeds."""
    found = Convergence(Entry("mine", location), workloads_of(SMALL, 2), synthetic(), target, device)
    found()
    return found


def test_an_honest_convergence_is_proven():
    found = trained(f"{TRAINERS}:Honest")
    check_convergence(found, trajectory)
    for run, right in zip(found.runs, map(trajectory, workloads_of(SMALL, 2)), strict=True):
        assert len(run.losses) == next(n for n, each in enumerate(right.accuracies, 1) if each >= REACHED)
        assert run.accuracies[-1] >= REACHED > max([0, *run.accuracies[:-1]])
    assert all(0 < seconds < inf for seconds in found.reached())
    assert found.runs[0].losses != found.runs[1].losses, "another seed is another start and another order"
    assert set(found.source()) == {"numpy.py", "trainers.py"} and "class Honest" in found.source()["trainers.py"]


def test_a_seed_that_does_not_get_there_is_known_to_take_longer():
    found = trained(f"{TRAINERS}:Honest", target=0.999)
    check_convergence(found, trajectory)
    assert found.reached() == [inf, inf]
    assert {len(run.losses) for run in found.runs} == {RECIPE["epochs"]}


@pytest.mark.parametrize(
    ("liar", "message"),
    [
        ("Boasts", "it says that its test accuracy is 1.0000; with its parameters it is 0."),
        ("LooksAhead", "parity fails from seed 0"),
        ("Hurries", "parity fails from seed 0, in epoch 2"),
        ("Eases", "it changed the images or labels"),
        ("Skips", "from seed 0, it says that its test accuracy is 0.0000 after epoch 1"),
    ],
)
def test_who_is_good_too_soon_is_found_out(liar, message):
    with pytest.raises(ParityError, match=f"mine: .*{message}"):
        check_convergence(trained(f"{LIARS}:{liar}", target=0.999), trajectory)


@pytest.mark.parametrize("name", ["WrongRate", "FrozenLayer", "ShuffledLabels", "OtherStart", "DroppedBatch"])
def test_what_trains_something_else_has_no_time(name):
    with pytest.raises(ParityError, match="mine: parity fails from seed 0"):
        check_convergence(trained(f"{TRAINERS}:{name}", target=0.999), trajectory)


def test_who_trains_on_the_cpu_when_asked_for_a_gpu_has_no_time():
    with pytest.raises(SubjectError, match="asked to train on a GPU and says that it trains on the CPU"):
        trained(f"{TRAINERS}:Honest", device="gpu")


def test_the_recipe_is_what_was_not_asked_otherwise():
    first, second = workloads_of(Workload(seed=4), 2)
    assert (first.seed, second.seed) == (4, 5)
    assert {name: getattr(first, name) for name in RECIPE} == RECIPE
    (own,) = workloads_of(Workload(learning_rate=0.5), 1)
    assert own.learning_rate == 0.5 and own.batch_size == RECIPE["batch_size"]


def test_a_session_of_convergence(suite):
    run = suite(*ASKED, frameworks="numpy")
    assert run.exit_code == 0, run.output
    (bench,) = run.json["benchmarks"]
    assert bench["name"].startswith("test_time_to_accuracy[numpy-") and "learning_rate=" in bench["name"]
    info = bench["extra_info"]
    assert [each["seed"] for each in info["seeds"]] == [0, 1] and "numpy.py" in info["source"]
    (called,) = bench["stats"]["data"]
    spent = sum(each["seconds"] for each in info["seeds"])
    assert spent < called < spent + 1, "what is imported is no seed's"
    assert "to 60%" in run.output and "2 of 2" in run.output


def test_what_only_convergence_goes_by_is_in_its_name_alone(suite):
    """Else training would seem to be another one, which no run of before is of."""
    run = suite("--collect-only", "-q", "--suite=training,convergence", "--seeds=2", "--target-accuracy=0.9")
    names = {name.partition("[")[0]: name for name in run.output.split("::") if "[" in name}
    assert "seeds=2,target_accuracy=0.9" in names["test_time_to_accuracy"]
    assert "seeds" not in names["test_training_epoch"] and "target" not in names["test_training_epoch"]


def test_a_wrong_trainer_has_no_time_to_save(suite):
    run = suite(*ASKED, frameworks="wrong-rate")
    ((outcome, message),) = [case for name, case in run.cases.items() if name.startswith("test_time_to_accuracy")]
    assert outcome == "failure" and "parity fails from seed 0" in message


def test_a_target_in_percent_is_refused(suite):
    run = suite("--suite=convergence", "--target-accuracy=97")
    assert run.exit_code == 4 and "give a share of 1, such as 0.97" in run.output


def row_of(subject, *seconds, target=0.97):
    """Return a row whose seeds took so long; None is one that did not get there in 9 s."""
    seeds = [{"seconds": each or 9.0, "accuracies": [0.5, 0.98 if each else 0.9]} for each in seconds]
    metrics = {"seconds": Measured("seconds", "s", values=(sum(each or 9.0 for each in seconds) + 1,))}
    known = sorted(each or inf for each in seconds)
    if (middle := (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2) < inf:
        metrics["to_accuracy_seconds"] = Measured("to_accuracy_seconds", "s", values=(middle,))
    return Row(subject, "cpu", metrics, ()), {"target_accuracy": target, "seeds": seeds}


def test_the_table_tells_of_seeds_that_did_not_get_there():
    terminal = Terminal()
    rows = [
        row_of("slow", *[4.0] * SEEDS),
        row_of("never", *[None] * SEEDS),
        row_of("quick", 1.0, 1.5, 2.0, 2.5, 3.0, None),
    ]
    convergence_table.show(terminal, rows)
    lines = [line.split() for line in terminal.text.splitlines() if line.strip()]
    found = {line[0]: " ".join(line[1:]) for line in lines if line[0] in {"slow", "quick", "never"}}
    assert list(found) == ["quick", "slow", "never"]
    assert found["quick"] == "2.250 s 1.000 s to never 5 of 6 2 20.00 s"
    assert found["never"].startswith("never never to never 0 of 6")
    assert "97%" in terminal.text and "6 seeds" in terminal.text
    assert " J" not in terminal.text and "energy" not in terminal.text, "no GPU, no column"


def test_the_table_tells_of_the_energy_that_a_gpu_took():
    terminal = Terminal()
    (thrifty, its), known = row_of("thrifty", *[4.0] * SEEDS), (900.0, 1100.0, 1000.0, None)
    thrifty = replace(thrifty, trials=tuple(Trial(Memory(), gpu_energy_joules=each) for each in known))
    convergence_table.show(terminal, [(thrifty, its), row_of("unknown", *[5.0] * SEEDS)])
    lines = {line.split()[0]: line.rstrip() for line in terminal.text.splitlines() if line.strip()}
    assert "above its idle power" in " ".join(terminal.text.split())
    assert lines["thrifty"].endswith(" 1,000 J") and lines["unknown"].endswith(" -")
