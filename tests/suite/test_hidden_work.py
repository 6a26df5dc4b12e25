"""A time that was not earned costs its row: bent clocks, work outside of them, and work that nobody here did."""

import re
from dataclasses import replace

import pytest
from support import ROOT, left_behind, uncovered

from benchmarks.proof import untimed
from benchmarks.proof.floor import FloorError, check_busy, check_floor
from benchmarks.proof.untimed import UntimedError, check_untimed
from pytest_duet.trials.trial import Disturbance, Memory, Round, Trial

LARGER = ("--layer-sizes=784,512,10", "--batch-size=8", "--epochs=3", "--worker-timeout=60")
CLOCKS = {
    "slow-clock": r"it replaced time\.perf_counter, time\.perf_counter_ns\. Leave",
    "slow-host-clock": r"by its worker's clock, \w+ began -\d+\.\d{3} s after it was asked for .* one clock",
    "clock-that-stops": r"its worker's clock saw 0\.\d+ s of them|ended .* before its answer came",
    "coarse-clock": r"it replaced time\.perf_counter\. Leave",
    "hides-its-cpu": r"it says that it used 0\.00\d s of CPU time in round 1, and the kernel counts 0\.\d+",
    "boasts-of-cpu": r"it says that it used .* s of CPU time in round 1, and the kernel counts",
}
HIDDEN = {
    "ahead-in-parameters": r"faster than this machine can multiply|of CPU time went between them",
    "half-in-parameters": r"\d s of CPU time went between them, where no clock runs",
    "trained-at-start": r"faster than this machine can multiply: epoch \d took .* GFLOP take",
    "elsewhere": r"its processes used 0\.\d+ s of CPU time for an epoch, and its [\d.]+ GFLOP take",
}
# No epoch comes after evaluate(), and between two epochs there is no time for a thread to get ahead.
IN_VAIN = ("ahead-in-evaluate", "ahead-in-a-thread")


@pytest.mark.parametrize(
    ("file", "offenders", "honest"),
    [
        pytest.param("clocks.py", CLOCKS, (), id="clocks"),
        pytest.param("hidden_work.py", HIDDEN, IN_VAIN, id="hidden work", marks=uncovered),
    ],
)
def test_no_time_is_saved_that_was_not_earned(suite, file, offenders, honest):
    path = f"--framework-path={ROOT}/tests/liars/{file}"
    run = suite(*LARGER, path, frameworks=",".join([*offenders, *honest, "honest"]))
    assert set(run.outcomes) == {*offenders, *honest, "honest"}
    for name, reason in offenders.items():
        outcome, message = run.outcomes[name]
        assert outcome == "failure" and message.startswith(f"{name}: "), (name, message)
        assert re.search(reason, message), (name, message)
    for name in (*honest, "honest"):
        assert run.outcomes[name] == ("passed", "")
    assert set(run.rows) == {*honest, "honest"}
    assert not left_behind(run.directory)


def test_what_one_process_keeps_no_other_finds(suite, tmp_path, tmp_path_factory):
    """Where the kernel keeps a worker from writing, there is nothing to remember; where it may, nobody believes it."""
    folder = tmp_path_factory.mktemp("memory")
    memory = {"LIARS_FOLDER": str(folder)}
    liar = f"--framework-path={ROOT}/tests/liars/hidden_work.py"
    how = ("--trials=2", "--epochs=3", liar)
    run = suite(*how, frameworks="remembers", environment=memory)
    (row,) = run.rows.values()
    if not all(trial["secluded"] for trial in row["trials"]):
        pytest.skip("this machine lets nobody have mounts of his own")
    assert not any(folder.iterdir())
    assert min(one["seconds"] for one in row["trials"][1]["rounds"]) > row["floor_seconds"]

    (tmp_path / "run.json").unlink()
    run = suite(*how, f"--writable={folder}", frameworks="remembers", environment=memory)
    outcome, message = run.outcomes["remembers"]
    assert outcome == "failure" and "remembers: faster than this machine can multiply: epoch" in message
    assert message.rstrip().endswith("Is an epoch trained elsewhere, earlier or later, or remembered?")
    assert not (tmp_path / "run.json").exists(), "there is nothing to save"


def of(seconds, rounds=4, build_seconds=0.5, replaced=(), foreign_cores=0.0, **each):
    usual = {"cpu_seconds": seconds, "call_seconds": 1.01 * seconds, "untimed_seconds": 0.01 * seconds}
    usual.update(untimed_cpu_seconds=0.01 * seconds, helpers_cpu_seconds=0.0)
    made = tuple(Round(number, seconds, **{**usual, **each}) for number in range(1, rounds + 1))
    others = Disturbance(foreign_cores)
    return Trial(Memory(), seconds, None, None, build_seconds, made, others, clocks_replaced=replaced)


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        (of(2.0), None),
        (of(2.0, untimed_cpu_seconds=0.19, untimed_seconds=0.19), None),
        (of(2.0, untimed_seconds=0.6, foreign_cores=0.5), None),
        (of(2.0, untimed_seconds=0.6, foreign_cores=None), None),
        (of(2.0, untimed_seconds=0.3), r"0\.90 s went between them"),
        (of(2.0, untimed_cpu_seconds=None, call_seconds=None), None),
        (of(2.0, untimed_cpu_seconds=0.25), r"0\.75 s of CPU time went between them"),
        (of(2.0, untimed_seconds=0.9, foreign_cores=0.5), r"2\.70 s went between them"),
        (
            of(2.0, call_seconds=1.9),
            r"epoch 1 took 2\.000 s by its own account, and all of its call 1\.900 s by",
        ),
        (of(2.0, build_seconds=61.0), r"it took 61\.0 s to be built"),
        (of(40.0, build_seconds=61.0, untimed_cpu_seconds=0.1, untimed_seconds=0.2), None),
        (of(2.0, replaced=("time.time",)), r"it replaced time\.time\."),
    ],
)
def test_what_is_not_timed_has_a_budget(trial, said, monkeypatch):
    """Of 7.5 MB of parameters, on two cores."""
    monkeypatch.setattr(untimed, "usable_cores", lambda: 2)
    if said is None:
        return check_untimed("any", trial, 7.5e6)
    with pytest.raises(UntimedError, match=said):
        check_untimed("any", trial, 7.5e6)


def test_a_thread_that_spins_before_it_sleeps_is_no_offender(monkeypatch):
    """OpenBLAS's do, for a tenth of a second; where a trainer has one thread, nobody spins."""
    quiet = of(2.0, untimed_cpu_seconds=0.001)
    spins = replace(quiet, rounds=(replace(quiet.rounds[0], untimed_cpu_seconds=0.2), *quiet.rounds[1:]))
    monkeypatch.setattr(untimed, "usable_cores", lambda: 2)
    check_untimed("any", spins, 1e5)
    monkeypatch.setattr(untimed, "usable_cores", lambda: 1)
    with pytest.raises(UntimedError, match=r"0\.20 s of CPU time went between them"):
        check_untimed("any", spins, 1e5)


def test_where_copies_take_longer_than_spinning_nothing_is_added_for_it(monkeypatch):
    monkeypatch.setattr(untimed, "usable_cores", lambda: 2)
    with pytest.raises(UntimedError, match=r"0\.61 s of CPU time went between them, .*allowed: 0\.60 s"):
        check_untimed("any", of(2.0, untimed_cpu_seconds=0.2025), 7.5e6)


def test_after_the_last_round_there_is_no_epoch_to_gain_by():
    """It is then that evaluate() is asked for."""
    trial = of(2.0)
    last = replace(trial.rounds[-1], untimed_cpu_seconds=9.0, untimed_seconds=9.0)
    check_untimed("any", replace(trial, rounds=(*trial.rounds[:-1], last)), 7.5e6)


@pytest.mark.parametrize(
    ("seconds", "cpu_seconds", "peaks", "floor"),
    [
        (1.0, 2.0, [100e9], 0.8),
        (0.81, 0.81, [100e9], 0.8),
        (0.79, 1.0, [100e9, 110e9], 100 / 137.5),
        (0.79, 1.0, [100e9, 90e9], FloorError),
        (1e-4, 1.0, [100e9, 100e9], FloorError),
        (1.0, 0.1, [100e9, 100e9], FloorError),
        (1.0, None, [100e9], 0.8),
        (1e-4, 1e-4, [None], None),
    ],
)
def test_an_epoch_below_the_floor_is_first_taken_for_a_wrong_peak(seconds, cpu_seconds, peaks, floor):
    measured = iter(peaks)
    count = {"cpu_seconds": 0.0, "untimed_cpu_seconds": cpu_seconds} if cpu_seconds else {"untimed_cpu_seconds": None}
    rounds = of(seconds, **count).rounds

    def peak(again=False):
        assert again == (len(seen) > 0)
        seen.append(again)
        return next(measured), 0.25

    seen = []
    if floor is FloorError:
        with pytest.raises(FloorError, match="any: faster than this machine can multiply"):
            check_floor("any", rounds, 100e9, peak, on_cpu=True)
    else:
        assert check_floor("any", rounds, 100e9, peak, on_cpu=True) == (floor and pytest.approx(floor))
    assert next(measured, "all") == "all"


def test_a_gpu_s_arithmetic_takes_no_time_of_the_processor():
    rounds = of(1.0, cpu_seconds=0.0, untimed_cpu_seconds=0.01).rounds
    assert check_floor("any", rounds, 100e9, lambda again=False: (100e9, 0.25), on_cpu=False) == pytest.approx(0.8)


@pytest.mark.parametrize(("share", "honest"), [(None, True), (0.4, True), (1.2, True), (1.3, False), (70.0, False)])
def test_a_gpu_is_not_busy_for_longer_than_its_epoch_took(share, honest):
    """By the device's own events, which no clock of a process is in."""
    if honest:
        return check_busy("any", share)
    with pytest.raises(FloorError, match=f"keep it busy for {share:.2f} times as long as its epochs took"):
        check_busy("any", share)
    return None
