"""Data parallel training: ranks train together what one trainer trains alone, and one that dies is named."""

import os
from functools import lru_cache

import pytest
from support import Terminal

from benchmarks.frameworks import attached_to
from benchmarks.proof.parity import ParityError
from benchmarks.proof.ranks import check_ranks
from benchmarks.ranks import ENGINES
from benchmarks.ranks.fleet import Fleet, shares_of
from benchmarks.report import scaling_table
from benchmarks.workload import oracle
from benchmarks.workload.dataset import synthetic
from benchmarks.workload.spec import Workload
from pytest_duet.errors import DuetError
from pytest_duet.record.metrics import Measured
from pytest_duet.record.row import Row

SMALL = Workload(dataset="synthetic", layer_sizes=(784, 16, 10), epochs=3, learning_rate=0.01)


@lru_cache
def trajectory():
    return oracle.compute(SMALL, synthetic())


def fleet(name, ranks, workload=SMALL, **fields):
    cores = [sorted(os.sched_getaffinity(0))[:1]] * ranks
    return Fleet("mine", f"tests.liars.ranks:{name}", workload, None, 6_000, cores, **fields)


def trained(name, ranks, epochs=SMALL.epochs, **fields):
    with fleet(name, ranks, **fields) as found:
        found.train(epochs)
        check_ranks(found, trajectory())
    return found


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_train_what_one_trains_alone(ranks):
    found = trained("Honest", ranks)
    assert found.losses == pytest.approx(trajectory().epoch_losses[: SMALL.epochs], rel=1e-6)
    assert len(found.seconds) == SMALL.epochs and min(found.seconds) > 0


@pytest.mark.parametrize(
    ("liar", "message"),
    [
        ("Apart", "parity fails in epoch 1"),
        ("Sums", "parity fails in epoch 1"),
        ("Drifts", "parity fails on rank 1, after epoch 3: the update of layer 2's bias"),
    ],
)
def test_ranks_that_train_something_else_are_found_out(liar, message):
    with pytest.raises(ParityError, match=f"mine: {message}"):
        trained(liar, 2)


def test_a_killed_rank_is_named_and_nobody_waits_for_it():
    with pytest.raises(DuetError, match="mine: rank 1 of 2 failed in epoch 2: it ended by signal SIGKILL"):
        trained("Killed", 2)


def test_a_rank_that_fails_is_named_with_what_it_said():
    with pytest.raises(DuetError, match=r"(?s)mine: rank 1 of 2 failed in epoch 2: .*the second rank has had enough"):
        trained("Raises", 2)


def test_a_rank_that_hangs_is_named():
    with pytest.raises(DuetError, match=r"mine: rank [01] of 2 gave no answer within 2 s.*--worker-timeout"):
        trained("Hangs", 2, timeout_seconds=2)


def test_a_rank_that_ended_between_two_epochs_is_named():
    with fleet("Honest", 2) as found:
        found.train(1)
        found._processes[1].terminate()
        found._processes[1].wait()
        with pytest.raises(DuetError, match="mine: rank 1 of 2 .*: it ended by signal SIGTERM"):
            found.train(1)


def test_no_rank_is_left_behind():
    with fleet("Honest", 2) as found:
        processes = found._processes
        assert all(process.poll() is None for process in processes)
    assert all(process.poll() is not None for process in processes)
    with fleet("Killed", 2) as found:
        with pytest.raises(DuetError):
            found.train(2)
        assert all(process.poll() is not None for process in found._processes), "at once, not when it is left"


def test_ranks_that_wait_for_nobody_have_the_same_work():
    with fleet("Honest", 2, together=False) as found:
        found.train(1)
        first, second = found.parameters()
    assert abs(found.losses[0] - trajectory().epoch_losses[0]) > 1e-4, "each has its own network"
    assert (first[0][0] != second[0][0]).any()


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(DuetError, match="a batch of 128 images cannot be shared by 3 ranks"):
        fleet("Honest", 3)


def test_each_rank_has_cores_of_its_own():
    assert shares_of([0, 1, 2, 5], 1, 2) == [[0, 1]]
    assert shares_of([0, 1, 2, 5], 2, 2) == [[0, 1], [2, 5]]
    assert shares_of([0, 1, 2, 5], 2, 4) == [[0], [1]]
    with pytest.raises(DuetError, match="--devices=8: there are 4 cores"):
        shares_of([0, 1, 2, 5], 1, 8)


def test_engines_belong_to_entries():
    assert attached_to(["torch"], ENGINES) == ["torch-ddp", "torch-fsdp2"]
    assert attached_to(["keras"], ENGINES) == ["tf-multi-worker"] and attached_to(["numpy"], ENGINES) == []


def test_the_table_tells_speed_ups_within_an_engine():
    def row(subject, devices, seconds, share=None):
        values = {"seconds": seconds, "communication_share": share}
        metrics = {name: Measured(name, "s", values=(each,)) for name, each in values.items() if each is not None}
        info = {"scaling": "strong scaling", "devices": devices, "batch_size": 128, "images": 60_000}
        return Row(subject, "cpu", metrics, ()), info

    terminal = Terminal()
    scaling_table.show(terminal, [row("b", 2, 4.0, 0.25), row("a", 1, 6.0), row("b", 1, 6.0), row("a", 2, 3.0, 0.0)])
    lines = [line.split() for line in terminal.text.splitlines() if line.strip().startswith(("a ", "b "))]
    assert [line[:2] for line in lines] == [["a", "1"], ["a", "2"], ["b", "1"], ["b", "2"]]
    assert lines[1][-3:] == ["2.00", "100%", "0%"]
    assert lines[3][-3:] == ["1.50", "75%", "25%"]
    assert lines[0][-3:] == ["1.00", "100%", "-"]


def test_no_devices_are_none(suite):
    run = suite("--suite=scaling", "--devices=1,0")
    assert run.exit_code == 4 and "--devices=1,0: give numbers of 1 or more" in run.output


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_two_processes_train_what_one_does(suite, engine):
    """By each framework's own engine: a session fails where they do not."""
    asked = ("--suite=scaling", "--trials=1", "--devices=1,2", "--steps=20", "--epochs=3", "--learning-rate=0.01")
    run = suite(*asked, "-k", engine, frameworks="jax,torch,tensorflow")
    if "not installed" in run.output:
        pytest.skip(f"{engine}: its framework is not here")
    assert run.exit_code == 0, run.output
    assert len(run.json["benchmarks"]) == 4 and "strong scaling" in run.output and "weak scaling" in run.output
