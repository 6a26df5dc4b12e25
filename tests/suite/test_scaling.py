"""Data parallel training: ranks train together what one trainer trains alone, and one that dies is named."""

import os
import shutil
import subprocess
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
from hosts import hosts
from support import Terminal

from benchmarks.frameworks import attached_to
from benchmarks.proof.parity import ParityError
from benchmarks.proof.ranks import check_ranks
from benchmarks.ranks import ENGINES
from benchmarks.ranks.fleet import Fleet
from benchmarks.ranks.rank import take_cores
from benchmarks.ranks.seats import Seat, as_one, seats_of
from benchmarks.report import scaling_table
from benchmarks.workload import oracle
from benchmarks.workload.dataset import synthetic
from benchmarks.workload.spec import Workload
from pytest_duet.errors import DuetError
from pytest_duet.record.metrics import Measured
from pytest_duet.record.row import Row

SMALL = Workload(dataset="synthetic", layer_sizes=(784, 16, 10), epochs=3, learning_rate=0.01)
ONE_CORE = Seat((0, 1), tuple(sorted(os.sched_getaffinity(0))[:1]))


@lru_cache
def trajectory():
    return oracle.compute(SMALL, synthetic())


def fleet(name, ranks, workload=SMALL, hosts=(), seats=None, **fields):
    seats = seats or (seats_of((), ranks, ranks, hosts) if hosts else [ONE_CORE] * ranks)
    return Fleet("mine", f"tests.liars.ranks:{name}", workload, None, 6_000, seats, **fields)


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
        ("Drifts", "parity fails on device 1, after epoch 3: the update of layer 2's bias"),
    ],
)
def test_ranks_that_train_something_else_are_found_out(liar, message):
    with pytest.raises(ParityError, match=f"mine: {message}"):
        trained(liar, 2)


def test_each_device_of_one_process_is_proven():
    one = as_one([ONE_CORE] * 2)
    found = trained("Honest", 1, seats=[one])
    assert found.ranks == 1 and len(found.losses) == SMALL.epochs
    with pytest.raises(ParityError, match="mine: parity fails on device 1, after epoch 3: .* layer 2's bias"):
        trained("Drifts", 1, seats=[one])


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
    for seats in ([ONE_CORE] * 3, [as_one([ONE_CORE] * 3)]):
        with pytest.raises(DuetError, match="a batch of 128 images cannot be shared by 3 devices"):
            fleet("Honest", 3, seats=seats)


def test_each_rank_has_cores_of_its_own(monkeypatch):
    taken = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: taken.append(list(cores)), raising=False)
    for ranks, most in ((1, 2), (2, 2), (2, 4)):
        seats = seats_of([0, 1, 2, 5], ranks, most)
        assert [take_cores(list(seat.cores), seat.share) for seat in seats] == [4 // most] * ranks
    assert taken == [[0, 1], [0, 1], [2, 5], [0], [1]]
    both = as_one(seats_of([0, 1, 2, 5], 2, 2))
    assert take_cores(list(both.cores), both.share, both.devices) == 4 and taken[-1] == [0, 1, 2, 5]
    with pytest.raises(DuetError, match="--devices=8: there are 4 cores"):
        seats_of([0, 1, 2, 5], 1, 8)
    with pytest.raises(SystemExit, match="there are 2 cores here for 3 ranks"):
        take_cores([0, 1], (0, 3))


def test_each_rank_has_a_gpu_of_its_own():
    """What its process is told; no GPU is needed for it, and none is used."""
    assert [seat.gpus for seat in seats_of([0, 1], 2, 2, gpus=["GPU-a", "GPU-b"])] == [("GPU-a",), ("GPU-b",)]
    assert as_one(seats_of([0, 1], 2, 2, gpus=["GPU-a", "GPU-b"])).gpus == ("GPU-a", "GPU-b")
    assert [seat.gpus for seat in seats_of([], 4, 4, ["a", "b"], [])] == [("0",), ("0",), ("1",), ("1",)]
    with pytest.raises(DuetError, match="--devices=3: there are 2 GPUs here"):
        seats_of([0, 1, 2], 2, 3, gpus=["GPU-a", "GPU-b"])
    with pytest.raises(DuetError, match="NVML does not tell the GPUs' UUIDs here"):
        seats_of([0, 1], 2, 2, gpus=[None, None])
    seats = [replace(ONE_CORE, gpus=(name,)) for name in ("GPU-a", "GPU-b")]
    failing = pytest.raises(DuetError, match="(?s)rank [01] of 2 .*: on gpu GPU-[ab], growing: true")
    with fleet("Told", 2, seats=seats) as found, failing:
        found.train(1)
    with fleet("Told", 2) as found, pytest.raises(DuetError, match="(?s)rank [01] of 2 .*: on cpu , growing"):
        found.train(1)


def test_ranks_go_round_the_machines():
    seats = seats_of([0], 3, 4, ["me@near", "far"])
    assert [(seat.host, seat.address, seat.share) for seat in seats] == [
        ("me@near", "near", (0, 2)),
        ("far", "far", (0, 2)),
        ("me@near", "near", (1, 2)),
    ]


@pytest.fixture
def two_hosts(tmp_path, monkeypatch):
    """Two machines that ssh finds by their addresses, and notices within seconds that one is gone."""
    for name in ("net", "bin"):
        (tmp_path / name).mkdir()
    with hosts(tmp_path / "net", "a", "b") as made:
        ssh, how = tmp_path / "bin" / "ssh", "-o ServerAliveInterval=1 -o ServerAliveCountMax=2"
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {made[0].ssh_config} {how} "$@"\n')
        ssh.chmod(0o755)
        monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
        yield made


def ranks_of(host):
    """Return the ranks that are alive on a host."""
    pids = subprocess.run(["ip", "netns", "pids", host.name], capture_output=True, text=True).stdout.split()
    lines = [Path(f"/proc/{pid}/cmdline") for pid in pids]
    return [line for line in lines if line.exists() and b"benchmarks.ranks.rank" in line.read_bytes().split(b"\0")]


def test_ranks_on_two_machines_train_what_one_trains_alone_and_none_is_left(two_hosts):
    with fleet("Honest", 2, hosts=[host.address for host in two_hosts]) as found:
        found.train(1)
        assert [len(ranks_of(host)) for host in two_hosts] == [1, 1]
        found.train(2)
        check_ranks(found, trajectory())
    wait_until(lambda: not any(map(ranks_of, two_hosts)))


def test_a_machine_that_is_gone_is_named_and_no_rank_waits_for_it(two_hosts):
    near, far = two_hosts
    with fleet("Honest", 2, hosts=[near.address, far.address]) as found:
        found.train(1)
        far.lose_power()
        with pytest.raises(DuetError, match=f"mine: rank 1 of 2, on {far.address}, .* with its connection, `ssh"):
            found.train(1)
        wait_until(lambda: not ranks_of(near))


def wait_until(true, seconds=10):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_rank_ends_with_who_started_it():
    """Also one that waits for another: pytest itself may be killed."""
    with fleet("Hangs", 2) as found:
        found._tell(1)
        for process in found._processes:
            process.stdin.close()
        assert [process.wait(10) for process in found._processes] == [1, 1]


def test_engines_belong_to_entries():
    assert attached_to(["torch"], ENGINES) == ["torch-ddp", "torch-fsdp2"]
    assert attached_to(["keras"], ENGINES) == ["tf-multi-worker", "tf-mirrored"]
    assert attached_to(["numpy"], ENGINES) == []


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


def test_one_process_is_on_one_machine(suite):
    run = suite("--suite=scaling", "--trials=1", "--hosts=a,b", "-k", "mirrored", "-rs", frameworks="tensorflow")
    assert run.exit_code == 0, run.output
    assert "not installed" in run.output or "in one process, which is on one machine" in run.output


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_two_processes_train_what_one_does(suite, engine, all_cores):
    """By each framework's own engine: a session fails where they do not."""
    asked = ("--suite=scaling", "--trials=1", "--devices=1,2", "--steps=20", "--epochs=3", "--learning-rate=0.01")
    run = suite(*asked, "-k", engine, frameworks=ENGINES[engine].of[0], timeout=300)
    if "not installed" in run.output:
        pytest.skip(f"{engine}: its framework is not here")
    assert run.exit_code == 0, run.output
    assert len(run.json["benchmarks"]) == 4 and "strong scaling" in run.output and "weak scaling" in run.output


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_two_machines_train_what_one_process_does(suite, two_hosts, engine, all_cores):
    asked = ("--suite=scaling", "--trials=1", "--steps=20", "--epochs=3", "--learning-rate=0.01")
    if ENGINES[engine].one_process:
        pytest.skip(f"{engine} is on one machine")
    machines = "--hosts=" + ",".join(host.address for host in two_hosts)
    run = suite(*asked, machines, "-k", f"{engine} and strong", frameworks=ENGINES[engine].of[0], timeout=300)
    if "not installed" in run.output:
        pytest.skip(f"{engine}: its framework is not here")
    assert run.exit_code == 0, run.output
    assert [bench["name"].partition("devices=")[2] for bench in run.json["benchmarks"]] == ["1,hosts=2]", "2,hosts=2]"]
