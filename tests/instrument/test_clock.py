"""The worker's clock is the one that was there first, and what its parent reads from the same one holds it."""

import time

import pytest

from pytest_duet.sensors import clock
from pytest_duet.trials import oversight
from pytest_duet.trials.oversight import check_clock, check_cpu_seconds
from pytest_duet.workers.hosted import Span
from pytest_duet.workers.process import Worker
from pytest_duet.workers.protocol import SubjectError


def test_whoever_replaces_a_clock_is_named_and_changes_nothing(monkeypatch):
    assert clock.replaced() == []
    before = clock.now_seconds()
    for name in ("perf_counter", "time_ns"):
        monkeypatch.setattr(time, name, lambda: 0)
    assert clock.replaced() == ["time.perf_counter", "time.time_ns"]
    assert clock.now_seconds() > before > 0


def test_who_freezes_time_in_every_module_does_not_find_it():
    """As freezegun does, which replaces each attribute of each module that is one of the functions of `time`."""
    functions = [getattr(time, name) for name in dir(time) if "perf_counter" in name or "monotonic" in name]
    assert not [name for name, value in vars(clock).items() if any(value is function for function in functions)]


def worker():
    made = object.__new__(Worker)
    made.name = "any"
    return made


@pytest.mark.parametrize(
    ("began", "ended", "honest"),
    [(10.0, 12.0, True), (9.9995, 12.0005, True), (9.9, 11.9, False), (10.1, 12.1, False), (11.0, 10.5, False)],
)
def test_a_worker_s_readings_lie_between_its_parent_s(began, ended, honest):
    told = {"began": began, "ended": ended, "replaced": ["time.time"]}
    if honest:
        one = worker()
        one._hear_of_time("round", told, 10.0, 12.0)
        assert one.span == Span(2.0, pytest.approx(ended - began), ("time.time",))
    else:
        with pytest.raises(
            SubjectError, match=r"any: by its worker's clock, whose code replaced time\.time, round began"
        ):
            worker()._hear_of_time("round", told, 10.0, 12.0)


@pytest.mark.parametrize(
    ("spans", "reasons", "honest"),
    [
        ([(2.0, 1.99)] * 6, (), True),
        ([(2.0, 1.9)] * 6, (), True),
        ([(2.0, 1.0)] * 6, (), False),
        ([(2.0, 1.0)] * 6, ("others used 1.00 cores",), True),
        ([(0.02, 0.01)] * 200, (), True),
    ],
)
def test_they_explain_the_time_between_them(spans, reasons, honest):
    """But for what a request and its answer take, which on a busy machine nobody can tell."""
    made = [Span(*span) for span in spans]
    if honest:
        check_clock("any", made, bool(reasons))
    else:
        with pytest.raises(SubjectError, match=r"rounds took 12\.000 s, and its worker's clock saw 6\.000 s of them"):
            check_clock("any", made, bool(reasons))


@pytest.mark.parametrize(
    ("told", "untimed", "wall", "honest"),
    [
        (4.0, 0.1, 0.2, True),
        (4.0, -0.01, 0.2, True),
        (4.0, None, 0.2, True),
        (4.0, -0.5, 0.2, False),
        (0.1, 3.9, 0.2, False),
    ],
)
def test_cpu_time_is_what_the_kernel_counts(told, untimed, wall, honest, monkeypatch):
    monkeypatch.setattr(oversight.os, "cpu_count", lambda: 2)
    if honest:
        check_cpu_seconds("any", 3, told, untimed, wall)
    else:
        with pytest.raises(SubjectError, match="it says that it used .* of CPU time in round 3, and the kernel counts"):
            check_cpu_seconds("any", 3, told, untimed, wall)
