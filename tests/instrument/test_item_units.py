"""What a worker times of a test, how much of it a trial has, and whether the test waits for its device."""

import gc
import json
import threading
import time
import timeit
from dataclasses import asdict, replace
from math import inf
from types import SimpleNamespace

import pytest
from properties import given
from properties import st as some

from pytest_duet.errors import DuetError
from pytest_duet.plugin.items import devices, kept_options
from pytest_duet.plugin.items.host import Looked
from pytest_duet.plugin.items.measuring import _of_one_call, check_waits
from pytest_duet.plugin.items.plan import MAX_ROUNDS, MIN_ROUNDS, MOST_ROUNDS, Allowed, Plan, make_plan
from pytest_duet.plugin.items.timing import Call, PedanticCall, call_seconds
from pytest_duet.trials.trial import Memory, Round, Trial
from pytest_duet.trials.turns import WARM_ROUNDS

HOW = {"timer": time.perf_counter, "disable_gc": False}


class Clock:
    """A timer by which every call of the work takes a second."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def __call__(self):
        return self.now

    def work(self, *args, **kwargs):
        self.now += 1
        self.calls.append((args, kwargs))
        return len(self.calls)


@pytest.mark.parametrize("args", [(), (1, 2)])
@pytest.mark.parametrize("kwargs", [{}, {"a": 1}])
@pytest.mark.parametrize("calls", [1, 2, 7])
@pytest.mark.parametrize("sync", [False, True])
def test_a_unit_makes_its_calls_and_no_other(args, kwargs, calls, sync):
    clock, waited = Clock(), []
    call = Call(clock.work, args, kwargs, clock, False, waited.append if sync else None)
    assert call.unit(calls) == calls
    assert clock.calls == [(args, kwargs)] * calls
    assert len(waited) == (calls if sync else 0)
    assert call.result == (1 if calls == 1 else None)
    assert call.last() == calls + 1


@pytest.mark.parametrize("disable", [False, True])
def test_the_collector_is_off_where_it_was_asked_for_and_back_on(disable):
    seen = []
    Call(lambda: seen.append(gc.isenabled()), (), {}, time.perf_counter, disable).unit(3)
    assert seen == [not disable] * 3 and gc.isenabled()


def test_the_collector_is_back_on_after_a_failure():
    with pytest.raises(ZeroDivisionError):
        Call(lambda: 1 / 0, (), {}, time.perf_counter, True).unit(3)
    assert gc.isenabled()


def test_setup_and_teardown_are_outside_of_the_clock():
    clock, order = Clock(), []

    def setup():
        clock.now += 100
        order.append("setup")
        return ("made",), {}

    def teardown(what):
        clock.now += 100
        order.append(f"teardown {what}")

    how = {"setup": setup, "teardown": teardown, "rounds": 3, "timer": clock, "disable_gc": False}
    pedantic = PedanticCall(clock.work, **how)
    assert pedantic.unit(1) == 1
    assert order == ["setup", "teardown made"] and clock.calls == [(("made",), {})]
    assert (pedantic.most_units, pedantic.fixed_calls, pedantic.last()) == (3, 1, 1)
    with pytest.raises(TypeError, match="Can't use `args` or `kwargs`"):
        PedanticCall(clock.work, (1,), **how).unit(1)


@pytest.mark.parametrize("seconds", [1e-7, 1e-5, 0.5])
def test_what_a_call_takes_is_found_out(seconds):
    clock = SimpleNamespace(now=0.0)

    def work():
        clock.now += seconds

    assert call_seconds(Call(work, (), {}, lambda: clock.now, False)) == pytest.approx(seconds)


@pytest.mark.slow
def test_an_empty_function_costs_what_timeit_says():
    """Within 2 % or 20 ns of timeit; alternately, the best of many, since this machine has moods."""

    def empty():
        pass

    calls, ours, theirs = 100_000, [], []
    call, timer = Call(empty, (), {}, time.perf_counter, True), timeit.Timer("empty()", globals={"empty": empty})
    for _ in range(20):
        ours.append(call.unit(calls) / calls)
        theirs.append(timer.timeit(calls) / calls)
    assert abs(min(ours) - min(theirs)) < max(20e-9, 0.02 * min(theirs)), (min(ours), min(theirs))


@given(some.floats(1e-9, 100), some.floats(1e-4, 1))
def test_any_call_has_a_plan(seconds, turn):
    plan = make_plan(seconds, Allowed(), turn)
    timed = plan.rounds - WARM_ROUNDS
    assert plan.units == 1 and plan.calls >= 1 and timed % 2 == 0
    assert MIN_ROUNDS <= timed <= MAX_ROUNDS
    assert plan.calls == 1 or plan.calls_a_round * seconds < 2 * turn
    assert plan.takes_turns


@given(some.floats(1e-9, 10), some.integers(1, 10_000), some.integers(1, 1000))
def test_no_plan_makes_more_calls_than_the_test_allows(seconds, units, calls):
    plan = make_plan(seconds, Allowed(units, calls))
    assert plan.calls == calls and plan.units >= 1
    assert 1 + plan.rounds * plan.units <= max(units, 1), "the first is made before any round"


@pytest.mark.parametrize(
    ("error", "timed"),
    [
        (0.0, MIN_ROUNDS),
        (0.001, MIN_ROUNDS),
        (0.02 / 3, 24),
        (0.02 / 2, MOST_ROUNDS),
        (1.0, MOST_ROUNDS),
        (inf, MOST_ROUNDS),
    ],
)
def test_the_next_trial_has_as_many_rounds_as_the_noise_asks_for(error, timed):
    plan = Plan(10, 1, WARM_ROUNDS + 24)
    assert plan.fitted(error, 0.02, Allowed()) == Plan(10, 1, WARM_ROUNDS + timed)


def test_never_more_than_the_test_allows():
    plan = make_plan(0.001, Allowed(21, 1))
    assert plan.fitted(inf, 0.02, Allowed(21, 1)).rounds * plan.units <= 20


@pytest.mark.parametrize(("units", "rounds", "takes_turns"), [(1, 0, False), (4, 3, False), (5, 4, True)])
def test_a_test_of_few_calls_takes_no_turns(units, rounds, takes_turns):
    plan = make_plan(1.0, Allowed(units, 1))
    assert (plan.rounds, plan.takes_turns) == (rounds, takes_turns)


class Late:
    """A device that does its work in a thread of its own, after the call has returned."""

    def __init__(self, seconds):
        self.seconds, self.working = seconds, None

    def work(self):
        began = time.perf_counter()
        self.working = threading.Timer(self.seconds, lambda: None)
        self.working.start()
        return time.perf_counter() - began, None

    def wait(self, module, result):
        if self.working:
            self.working.join()


@pytest.mark.parametrize(("seconds", "waits"), [(0.02, False), (0.0, True)])
def test_a_device_that_is_not_waited_for_is_found(monkeypatch, seconds, waits):
    late = Late(seconds)
    monkeypatch.setattr(devices, "WAITS", {"threading": late.wait})
    call, lag = devices.lag_of(late.work, 5)
    assert devices.does_not_wait(call, lag) != waits
    if not waits:
        looked = Looked(Allowed(), call, (call, lag))
        assert Looked.from_json(json.loads(json.dumps(asdict(looked)))) == looked
        with pytest.raises(DuetError, match=r"test_x returns before its device .* took .*, and the device worked on"):
            check_waits("test_x", looked)


def test_who_may_not_be_called_again_is_not_looked_at():
    assert devices.lag_of(lambda: (0.0, None), 5, 0) is None


@pytest.mark.parametrize("most", [1, 2, 3, 7, 12])
def test_who_may_be_called_a_few_times_is_not_called_more_often(monkeypatch, most):
    late = Late(0.005)
    monkeypatch.setattr(devices, "WAITS", {"threading": late.wait})
    calls = []
    told = devices.lag_of(lambda: calls.append(1) or late.work(), 5, most)
    assert len(calls) == min(most, 10)
    assert devices.does_not_wait(*told) == (most > 1), "one call alone tells nothing"


def test_that_waiting_for_nothing_takes_longer_after_work_is_no_lag(monkeypatch):
    """As where a call leaves the caches cold: a second wait, right after the first, is quicker."""
    cold = []

    def wait(module, result):
        time.sleep(0.004 if cold else 0.0)
        cold.clear()

    monkeypatch.setattr(devices, "WAITS", {"threading": wait})
    call, lag = devices.lag_of(lambda: cold.append(1) or (0.01, None), 5)
    assert call == 0.01 and not devices.does_not_wait(call, lag)


@pytest.mark.parametrize(("call", "lag", "accused"), [(1e-3, 4e-5, False), (1e-3, 1e-4, False), (1e-3, 2e-4, True)])
def test_a_lag_has_to_be_one(call, lag, accused):
    assert devices.does_not_wait(call, lag) == accused


def test_a_result_of_a_real_framework_is_waited_for():
    jax = pytest.importorskip("jax")
    square = jax.jit(lambda x: x @ x)
    x = jax.numpy.ones((1200, 1200))
    jax.block_until_ready(square(x))

    def work():
        began = time.perf_counter()
        result = square(x)
        return time.perf_counter() - began, result

    def honest():
        began = time.perf_counter()
        result = jax.block_until_ready(square(x))
        return time.perf_counter() - began, result

    assert devices.does_not_wait(*devices.lag_of(work, 5))
    assert not devices.does_not_wait(*devices.lag_of(honest, 5))
    assert devices.device_name() == "cpu" and devices.reading(7).host_peak_rss_bytes == 7


def test_options_of_pytest_s_own_are_kept_and_a_user_s_go_along(pytestconfig):
    kept = {name for name in vars(pytestconfig.option) if kept_options.stays(name)}
    assert {
        "numprocesses",
        "lf",
        "xmlpath",
        "keyword",
        "benchmark_json",
        "duet_gate",
        "duet_against",
        "basetemp",
    } <= kept
    assert {"tbstyle", "runxfail", "benchmark_timer", "benchmark_disable_gc"}.isdisjoint(kept)
    assert not kept_options.stays("size") and kept_options.stays("cov_source")


def test_what_a_round_took_is_shared_out_among_its_calls():
    """In a test of one call there is no round: what it took is the call's."""
    trial = Trial(Memory(), seconds=2.0, build_seconds=0.7, gpu_energy_joules=100.0, gpu_energy_error_joules=None)
    rounds = replace(trial, rounds=(Round(1, 2.0), Round(2, 2.0)))
    for one, calls in ((rounds, 4), (trial, 1)):
        found = _of_one_call(one, 4)
        assert (found.seconds, found.gpu_energy_joules) == (2.0 / calls, 100.0 / calls)
        assert (found.first_seconds, found.gpu_energy_error_joules, found.rounds) == (0.7, None, ())
