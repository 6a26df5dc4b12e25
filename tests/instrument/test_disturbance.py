"""A trial beside which others used the machine is repeated, then reported; it is never taken for a result."""

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest
from support import TRAINERS

from benchmarks.frameworks import Entry, entries_of_file
from benchmarks.trainer_runner import TrainerRunner
from benchmarks.workload.spec import Workload
from pytest_duet.sensors import cpu, foreign_load
from pytest_duet.sensors.foreign_load import ForeignLoad, Load
from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.trials import recorder
from pytest_duet.trials.runner import ATTEMPTS
from pytest_duet.trials.trial import Disturbance

NOBODY = 2**22 + 1  # Linux gives no process such a number
SMALL = Workload(dataset="synthetic", layer_sizes=(784, 256, 10), epochs=3)


@pytest.fixture
def runner():
    (honest,) = [entry for entry in entries_of_file(TRAINERS) if entry.name == "honest"]
    return TrainerRunner(honest, SMALL)


@pytest.fixture
def quiet_machine(monkeypatch):
    """A machine on which only what the test says happens: seconds of others' CPU time, and stolen ones, a look."""
    others = SimpleNamespace(busy=0.0, steal=0.0, looks=0)

    def usage(cores):
        others.looks += 1
        return cpu.MachineUsage(others.busy * others.looks, others.steal * others.looks)

    monkeypatch.setattr(foreign_load, "machine_usage", usage)
    monkeypatch.setattr(foreign_load, "process_usage", lambda: cpu.Usage(0.0, 0))
    monkeypatch.setattr(foreign_load, "cpu_seconds_of", lambda pid: 0.0)
    return others


@pytest.fixture
def one_attempt(monkeypatch):
    """Let a disturbed trial not be repeated."""
    monkeypatch.setattr("pytest_duet.trials.runner.ATTEMPTS", 1)


def test_a_busy_neighbour_is_noticed(runner, all_cores, busy_neighbour, one_attempt):
    found = runner.run(1, lambda: MemorySampler())
    assert found.disturbed
    assert found.disturbance.foreign_cores > 0.3
    assert "others used" in found.disturbance.reasons[0]


def test_a_long_first_epoch_hides_no_neighbour_of_the_short_steady_ones(
    runner, quiet_machine, one_attempt, monkeypatch
):
    """Seconds of compilation, and then a GPU's epochs of some hundredths of a second."""
    opening = Load(5.0, 5.0, 0.0, 0.0)  # what others did while it was built is no round's
    loads = iter([opening, Load(20.0, 0.0, 0.0, 0.0), *[Load(0.1, 0.05, 0.0, 0.0)] * 2])
    monkeypatch.setattr(ForeignLoad, "stop", lambda self: next(loads))
    assert runner.run(1, lambda: MemorySampler()).disturbance.foreign_cores == pytest.approx(0.5)


@pytest.mark.parametrize("class_name", ["HasItCompiled", "LeavesItRunning"])
def test_a_worker_s_own_helpers_are_no_others(class_name, monkeypatch):
    """A helper burns 0.3 s of CPU in each epoch; of the machine's 10 s, those are not others'."""
    looks = iter([cpu.MachineUsage(0.0, 0.0), cpu.MachineUsage(10.0, 0.0)] * 2)
    monkeypatch.setattr(foreign_load, "machine_usage", lambda cores: next(looks))
    monkeypatch.setattr(foreign_load, "process_usage", lambda: cpu.Usage(0.0, 0))
    helped = TrainerRunner(Entry("any", f"{TRAINERS}:{class_name}"), SMALL, threads=1)
    with helped.worker() as worker:
        worker.open(**helped.open_arguments())
        for epoch in (1, 2):
            before = cpu.cpu_seconds_of(worker.pid)
            watch = ForeignLoad(worker.pid)
            worker.round(epoch)
            _, others, _, helpers = watch.stop()
            own = cpu.cpu_seconds_of(worker.pid) - before
            assert 0.25 < 10 - own - others < 1
            assert helpers == pytest.approx(10 - own - others, abs=0.05)


def test_beside_a_trainer_with_helpers_a_busy_neighbour_is_noticed(all_cores, busy_neighbour, one_attempt):
    (entry,) = [entry for entry in entries_of_file(TRAINERS) if entry.name == "has-it-compiled"]
    found = TrainerRunner(entry, replace(SMALL, epochs=2)).run(1, lambda: MemorySampler())
    assert found.disturbance.foreign_cores > 0.3


def test_helpers_are_told_by_their_session(tmp_path):
    """Of the leader, only what the children used that it waited for; of the others, their own, too."""

    def process(number, session, *ticks, name="python"):
        (tmp_path / str(number)).mkdir()
        used = " ".join(map(str, ticks))
        (tmp_path / str(number) / "stat").write_text(f"{number} ({name}) S 1 7 {session} 0 -1 0 0 0 0 0 {used} 20 0")

    process(7, 7, 1000, 2000, 30, 4)
    process(8, 7, 100, 50, 7, 9, name="cc1plus) R 1 7 (9")
    process(9, 9, 5000, 5000, 5000, 5000)
    (tmp_path / "10").mkdir()  # ended between two looks
    (tmp_path / "self").mkdir()
    assert cpu.session_seconds(7, tmp_path) == pytest.approx(2.0)
    assert cpu.session_seconds(8, tmp_path) == 0.0
    assert cpu.session_seconds(7, tmp_path / "nothing") is None


def test_a_helper_that_is_lost_frees_nobody_else(monkeypatch):
    """The sum falls where a helper ended that nobody waited for: what it used before is not taken from the worker's."""
    machine = iter([cpu.MachineUsage(100.0, 0.0), cpu.MachineUsage(110.0, 0.0)])
    helpers = iter([50.0, 20.0])
    monkeypatch.setattr(foreign_load, "machine_usage", lambda cores: next(machine))
    monkeypatch.setattr(foreign_load, "process_usage", lambda: cpu.Usage(0.0, 0))
    monkeypatch.setattr(foreign_load, "session_seconds", lambda session: next(helpers))
    workers = iter([1.0, 8.0])
    monkeypatch.setattr(foreign_load, "cpu_seconds_of", lambda pid: next(workers))
    _, others, _, _ = ForeignLoad(NOBODY).stop()
    assert others == 3.0


@pytest.mark.parametrize(
    ("slot_s", "may_use", "machine_has", "watched"),
    [
        (None, {0, 1}, 192, [0, 1]),
        (None, {0, 1}, 2, None),
        ((1,), {0, 1}, 192, (1,)),
        (None, {0, 1}, None, None),
    ],
)
def test_neighbours_on_cores_that_nobody_may_use_here_are_not_watched(
    monkeypatch, slot_s, may_use, machine_has, watched
):
    asked = []
    monkeypatch.setattr(cpu.os, "sched_getaffinity", lambda process: may_use)
    monkeypatch.setattr(cpu.os, "cpu_count", lambda: machine_has)
    monkeypatch.setattr(foreign_load, "machine_usage", lambda cores: asked.append(cores))
    ForeignLoad(os.getpid(), slot_s).stop()
    assert asked == [watched] * 2


def test_an_undisturbed_trial_is_kept_as_it_is(runner, quiet_machine):
    found = runner.run(1, lambda: MemorySampler())
    assert not found.disturbed
    assert (found.attempt, found.disturbance.foreign_cores) == (1, 0.0)


def test_stolen_time_counts_as_others(runner, quiet_machine):
    quiet_machine.steal = 10.0
    found = runner.run(1, lambda: MemorySampler())
    assert found.disturbed
    assert found.disturbance.steal_cores == pytest.approx(found.disturbance.foreign_cores, rel=0.2)


def test_the_threshold_is_the_user_s(runner, quiet_machine):
    quiet_machine.steal = 10.0
    assert not replace(runner, max_foreign_cores=1e9).run(1, lambda: MemorySampler()).disturbed


def test_a_disturbed_trial_is_repeated_until_it_is_not(runner, monkeypatch):
    attempts = iter([0.8, 0.5, 0.0])
    monkeypatch.setattr(recorder, "disturbance", lambda *_: disturbance(next(attempts)))
    found = runner.run(1, lambda: MemorySampler())
    assert (found.attempt, found.disturbed) == (3, False)


def test_after_three_attempts_the_least_disturbed_is_reported_as_disturbed(runner, monkeypatch):
    attempts = iter([0.8, 0.2, 0.5, 0.0])
    monkeypatch.setattr(recorder, "disturbance", lambda *_: disturbance(next(attempts)))
    found = runner.run(1, lambda: MemorySampler())
    assert (found.attempt, found.disturbed) == (2, True)
    assert next(attempts) == 0.0, f"{ATTEMPTS} attempts, not more"


def disturbance(cores):
    return Disturbance(cores, 0.0, None, None, ["others"] if cores else ())


def test_disturbed_trials_are_told_in_table_and_json(suite, busy_neighbour):
    # Epochs that are long enough for the kernel, which counts in hundredths of a second, to see the neighbour.
    run = suite("--max-foreign-cores=0", "--trials=1", "--threads=1", "--layer-sizes=784,256,10")
    row = run.rows["honest"]
    assert run.exit_code == 0, run.output
    assert row["disturbed_trials"] == 1
    assert "1 of 1 trials DISTURBED" in run.output
    assert all("limit 0" in trial["disturbance"]["reasons"][0] for trial in row["trials"])


def test_cpu_time_of_the_machine_is_read_from_the_kernel(tmp_path):
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 10 20 5000 7 3 2 40 60 0\ncpu0 1 2 3\n")
    assert cpu.machine_usage(stat) == cpu.MachineUsage(busy_seconds=1.35, steal_seconds=0.4)


def test_only_the_cores_of_one_s_own_are_watched(tmp_path):
    """Beside other workers of the same session, each on cores of its own, theirs are not others' work."""
    stat = tmp_path / "stat"
    lines = [f"{name} {busy} 0 0 9 0 0 0 {steal} 0 0\n" for name, busy, steal in (("cpu ", 900, 70), ("cpu0", 200, 10))]
    stat.write_text("".join(lines) + "cpu1 300 0 0 9 0 0 0 20 0 0\ncpu11 400 0 0 9 0 0 0 40 0 0\nintr 1\n")
    assert cpu.machine_usage(stat, cores=(0, 1)) == cpu.MachineUsage(busy_seconds=5.0, steal_seconds=0.3)
    assert cpu.machine_usage(stat) == cpu.MachineUsage(busy_seconds=9.0, steal_seconds=0.7)
    assert cpu.machine_usage(stat, cores=(7,)) is None


@pytest.mark.parametrize("text", [None, "", "cpu 1 2\n", "cpu a b c d e f g h\n"])
def test_a_kernel_that_does_not_tell_is_none_and_disturbs_nothing(tmp_path, runner, monkeypatch, text):
    stat = tmp_path / "stat"
    if text is not None:
        stat.write_text(text)
    assert cpu.machine_usage(stat) is None
    monkeypatch.setattr(foreign_load, "machine_usage", lambda cores: cpu.machine_usage(stat, cores))
    found = runner.run(1, lambda: MemorySampler())
    assert found.disturbance == Disturbance(None, None, None, None, ())


@pytest.mark.parametrize(("in_process", "foreign"), [(False, 2.5), (True, 9.5)])
def test_the_worker_s_time_and_our_own_are_not_others(monkeypatch, in_process, foreign):
    """Of 10 busy seconds and half a stolen one, 1 was pytest's own and 7 the worker's, if it is another process."""
    machine = iter([cpu.MachineUsage(100.0, 3.0), cpu.MachineUsage(110.0, 3.5)])
    own = iter([cpu.Usage(5.0, 0), cpu.Usage(6.0, 0)])
    monkeypatch.setattr(foreign_load, "machine_usage", lambda cores: next(machine))
    monkeypatch.setattr(foreign_load, "process_usage", lambda: next(own))
    workers = iter([1.0, 8.0])
    monkeypatch.setattr(foreign_load, "cpu_seconds_of", lambda pid: next(workers))
    _, others, stolen, _ = ForeignLoad(os.getpid() if in_process else NOBODY).stop()
    assert (others, stolen) == (foreign, 0.5)
