"""Hosts one test in a worker: a session of pytest of its own, which stops inside of the test's call of ``benchmark``.

There the test waits, and its call is made and timed whenever the controller says so; told to finish, the test goes on
to its own assertions, and what became of it is told. pytest is imported once the worker is asked to open.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from pytest_duet.plugin.items import counting, devices, fixture
from pytest_duet.plugin.items.plan import Allowed, Plan
from pytest_duet.plugin.items.settings import Settings, code_of
from pytest_duet.plugin.items.timing import Call, call_seconds
from pytest_duet.sensors import memory
from pytest_duet.sensors.clock import now_seconds
from pytest_duet.sensors.cpu import process_usage, scheduling_policy, usable_cores
from pytest_duet.sensors.layout import has_fixed_layout
from pytest_duet.workers.protocol import Opened, Subject, Timed

OF_PYTEST = {"pytest", "pluggy", "pytest_benchmark", "py", "iniconfig", "packaging"}
QUICK_SECONDS = 0.1  # a call that takes less may be made a few times more than it needs to be
LAG_CALLS = 5  # after which it is looked whether a device works on


@dataclass(frozen=True)
class Looked:
    """What a first look at a test found, for its trials to be planned by.

    :param call_seconds: what a call takes.
    :param lag: what one took when that was looked for, and for how long its devices worked on after it, in seconds;
        None where there are none.
    :param counters: what a call is made of, :func:`pytest_duet.plugin.items.counting.count`.
    """

    allowed: Allowed
    call_seconds: float
    lag: tuple[float, float] | None = None
    counters: dict[str, float | None] = field(default_factory=dict)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Looked:
        return cls(**{**plain, "allowed": Allowed(**plain["allowed"]), "lag": plain["lag"] and tuple(plain["lag"])})


@dataclass(frozen=True)
class Ended:
    """What became of a test.

    :param reports: pytest's, of its phases, as plain values.
    :param measured: whether it called ``benchmark``.
    :param record: pytest-benchmark's, and the test's own ``extra_info`` in it; None where there is none.
    :param code: the files that the project's own modules were imported from, by their names.
    """

    reports: list[dict[str, Any]]
    measured: bool
    record: dict[str, Any] | None = None
    code: dict[str, str] = field(default_factory=dict)


class ItemHost(Subject):
    """One test. A round is a number of units of the call that it hands to ``benchmark``; its work the calls."""

    def open(  # type: ignore[override]  # what it ends with is no Opened
        self, nodeid: str, settings: dict[str, Any], plan: dict[str, int] | None = None
    ) -> Ended:
        """Run the test up to its call; returns :class:`Ended` where it ends before, and once it was told to finish.

        :param settings: :class:`pytest_duet.plugin.items.settings.Settings`.
        :param plan: :class:`pytest_duet.plugin.items.plan.Plan`; None where it is to be found out.
        """
        from pytest_duet.plugin.items.inner_session import InnerSession

        self._settings = Settings.from_json(settings)
        self._begin(plan)
        self._session = InnerSession(nodeid, self.measure, self._ended)
        self._session.run(self._settings)
        return self._what_ended

    def _begin(self, plan: dict[str, int] | None) -> None:
        self._began, self._seconds = now_seconds(), list[float]()
        self._plan = Plan(**plan) if plan else None
        self._call: Call | None = None

    def _ended(self) -> str | None:
        """Tell what became of a test, and return which one is asked for next, where others share the worker."""
        session = self._session
        self._what_ended = Ended(session.reports, self._call is not None, session.record, code_of(self._settings))
        if not self._settings.together:
            return None  # `open` returns it
        asked = self.serve_meanwhile(self._what_ended, "open")
        if asked is None or asked["nodeid"] is None:  # there are no more: the fixtures that they share end
            return None
        self._begin(asked["plan"])
        return str(asked["nodeid"])

    def measure(self, benchmark: Any, call: Call, sync: bool) -> Any:
        """Take the place of pytest-benchmark's own measuring: returns what the test gets back.

        :param benchmark: its fixture.
        :param sync: whether the clock waits for the devices.
        """
        reached = now_seconds()
        self._call = call
        first = self._unit(call.fixed_calls)
        refuse_coroutine(call.result)
        looked = None if self._plan else self._look(call, sync)
        told = Opened(
            device=devices.device_name(),
            versions=versions(self._settings),
            python=sys.version.split()[0],
            scheduling=scheduling_policy(),
            threads={"asked": None, "cores": usable_cores(), "framework": None, "fixed layout": has_fixed_layout()},
            import_seconds=reached - self._began,
            build_seconds=first / call.fixed_calls,
            memory=devices.reading(memory.peak_rss_bytes()),
            declared=asdict(looked) if looked else {},
        )
        self.serve_meanwhile(told)
        self._complete(call)
        warm = 0 if call.most_units or not self._plan else 2  # the first call, and a warm round
        fixture.add_stats(benchmark, self._seconds[warm:] or self._seconds, self._plan.calls if self._plan else 1)
        return call.last()

    def _look(self, call: Call, sync: bool) -> Looked:
        """Find out how long a call takes, and whether it waits for its devices; of few calls, all are made."""
        allowed = Allowed(call.most_units, call.fixed_calls)
        lag = None
        if devices.are_there() and not sync:
            left = None if allowed.units is None else allowed.units - 1
            lag = devices.lag_of(self._unit_and_result, LAG_CALLS, left)
        self._complete(call)
        if allowed.units is not None:
            return Looked(allowed, median(self._seconds), lag)
        seconds, counters = call_seconds(call), dict[str, float | None]()
        if seconds < QUICK_SECONDS:
            for _ in range(LAG_CALLS):  # the test may want to see how calls scatter
                self._unit(1)
            counters = counting.count(call.last)
        return Looked(allowed, seconds, lag, counters)

    def _complete(self, call: Call) -> None:
        """Make what is left of the calls that the test says there are: it may count them."""
        while call.most_units is not None and len(self._seconds) < call.most_units:
            self._unit(call.fixed_calls)

    def _unit(self, calls: int) -> float:
        assert self._call
        seconds = self._call.unit(calls)
        self._seconds.append(seconds / calls)
        return seconds

    def _unit_and_result(self) -> tuple[float, Any]:
        assert self._call
        return self._unit(self._call.fixed_calls), self._call.result

    def round(self, number: int, first: int = 0, stop: int | None = None) -> Timed:
        """Time the units of a round; the calls are the test's own, setup and teardown outside of the clock."""
        assert self._plan
        memory.reset_peak_rss()
        total = 0.0
        before = process_usage()
        for _ in range(self._plan.units):
            total += self._unit(self._plan.calls)
        used = process_usage() - before
        return Timed(
            number=number,
            seconds=total,
            cpu_seconds=used.cpu_seconds,
            involuntary_switches=used.involuntary_switches,
            memory=devices.reading(memory.peak_rss_bytes()),
            work=self._plan.calls_a_round,
        )


def refuse_coroutine(result: Any) -> None:
    """Fail the test where a call does no more than to make something that nobody awaits."""
    if inspect.iscoroutine(result):
        import pytest

        result.close()
        pytest.fail(
            "the function is a coroutine function: calling it does none of its work. Benchmark one that runs it to its "
            "end, such as `benchmark(lambda: asyncio.run(work()))`.",
            pytrace=False,
        )


def versions(settings: Settings) -> dict[str, str]:
    """Return the versions of what the test stands on, as far as it tells them in the usual way.

    The project's own is left out: it changes with the code that is compared.
    """
    own = {name.partition(".")[0] for name in code_of(settings)}
    found = {}
    for name, module in list(sys.modules.items()):
        version = getattr(module, "__version__", None)
        if "." not in name and isinstance(version, str) and not name.startswith("_"):
            found[name] = version
    left_out = own | OF_PYTEST | set(getattr(sys, "stdlib_module_names", ()))  # Python's own version is told beside
    return {name: version for name, version in found.items() if name not in left_out}
