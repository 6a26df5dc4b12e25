"""Hosts one test in a worker: a session of pytest of its own, which stops inside of the test's call of ``benchmark``.

There the test waits, and its call is made and timed whenever the controller says so; told to finish, the test goes on
to its own assertions, and what became of it is told. pytest is imported once the worker is asked to open.
"""

from __future__ import annotations

import inspect
import sys
import time
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from pytest_duet.plugin.items import devices
from pytest_duet.plugin.items.timing import Call, call_seconds
from pytest_duet.sensors import memory
from pytest_duet.sensors.cpu import has_fixed_layout, process_usage, scheduling_policy, usable_cores
from pytest_duet.workers.protocol import Opened, Subject, Timed

QUICK_SECONDS = 0.1  # a call that takes less may be made a few times more than it needs to be
LAG_CALLS = 5  # after which it is looked whether a device works on


@dataclass(frozen=True)
class Allowed:
    """How much of its work a test allows, in units (:mod:`pytest_duet.plugin.items.timing`).

    :param units: how many; None for any number.
    :param calls: of each, where their number is bounded.
    """

    units: int | None = None
    calls: int = 1


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
        self, nodeid: str, session: dict[str, Any], plan: dict[str, int] | None = None
    ) -> Ended:
        """Run the test up to its call; returns :class:`Ended` where it ends before, and once it was told to finish.

        :param session: as :func:`pytest_duet.plugin.items.inner_session.described` gives it.
        :param plan: how many calls a unit has, and how many units a round; None where that is to be found out.
        """
        from pytest_duet.plugin.items import inner_session

        self._began, self._plan, self._seconds = time.perf_counter_ns(), plan, list[float]()
        self._call: Call | None = None
        self._session = inner_session.InnerSession(nodeid, self.measure)
        self._session.run(session)
        return Ended(
            self._session.reports,
            self._call is not None,
            self._session.record,
            inner_session.code_of(session),
        )

    def measure(self, benchmark: Any, call: Call, sync: bool) -> Any:
        """Take the place of pytest-benchmark's own measuring: returns what the test gets back.

        :param benchmark: its fixture.
        :param sync: whether the clock waits for the devices.
        """
        reached = time.perf_counter_ns()
        self._call = call
        first = self._unit(call.fixed_calls)
        refuse_awaitable(call.result)
        declared: dict[str, Any] = {"allowed": asdict(Allowed(call.most_units, call.fixed_calls))}
        if not self._plan:
            if devices.are_there() and not sync:
                left = LAG_CALLS if call.most_units is None else call.most_units - 1
                declared["lag"] = devices.lag_of(self._unit_and_result, min(left, LAG_CALLS))
            self._complete(call)
            seconds = call_seconds(call) if call.most_units is None else median(self._seconds)
            declared["call_seconds"] = seconds
            if call.most_units is None and seconds < QUICK_SECONDS:  # the test may want to see how calls scatter
                for _ in range(LAG_CALLS):
                    self._unit(1)
        told = Opened(
            device=devices.device_name(),
            versions=versions(),
            python=sys.version.split()[0],
            scheduling=scheduling_policy(),
            threads={"asked": None, "cores": usable_cores(), "framework": None, "fixed layout": has_fixed_layout()},
            import_seconds=(reached - self._began) / 1e9,
            build_seconds=first / call.fixed_calls,
            memory=devices.reading(memory.peak_rss_bytes()),
            declared=declared,
        )
        self.serve_meanwhile(told)
        self._complete(call)
        steady = (
            self._seconds if call.most_units or not self._plan else self._seconds[2:]
        )  # the first, and a warm round
        self._session.keep(benchmark, steady or self._seconds, self._plan["calls"] if self._plan else 1)
        return call.last()

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
        opened = process_usage()
        memory.reset_peak_rss()
        calls, units, total = self._plan["calls"], self._plan["units"], 0.0
        before = process_usage()
        for _ in range(units):
            total += self._unit(calls)
        used = process_usage() - before
        return Timed(
            number=number,
            seconds=total,
            cpu_seconds=used.cpu_seconds,
            involuntary_switches=used.involuntary_switches,
            call_cpu_seconds=(process_usage() - opened).cpu_seconds,
            memory=devices.reading(memory.peak_rss_bytes()),
            work=calls * units,
        )


def refuse_awaitable(result: Any) -> None:
    """Fail the test where a call does no more than to make something that nobody awaits."""
    if inspect.isawaitable(result) and type(result).__module__ in ("builtins", "types"):
        import pytest

        getattr(result, "close", lambda: None)()
        pytest.fail(
            "the function is a coroutine function: calling it does none of its work. Benchmark one that runs it to its "
            "end, such as `benchmark(lambda: asyncio.run(work()))`.",
            pytrace=False,
        )


def versions() -> dict[str, str]:
    """Return the versions of what the test has imported, as far as it tells them in the usual way."""
    found = {}
    for name, module in list(sys.modules.items()):
        version = getattr(module, "__version__", None)
        if "." not in name and isinstance(version, str) and not name.startswith("_"):
            found[name] = version
    for ours in ("pytest", "pluggy", "pytest_benchmark", "py", "iniconfig", "packaging"):
        found.pop(ours, None)
    return found
