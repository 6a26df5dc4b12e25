"""What this plugin does to pytest-benchmark's fixture ``benchmark``: its private parts that are touched for it.

``tests/instrument/test_compat.py`` fails where pytest-benchmark changes one of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def replace_measuring(call: Callable[..., Any], pedantic: Callable[..., Any]) -> None:
    """Have these called where ``benchmark(...)`` and ``benchmark.pedantic(...)`` would measure, with the fixture first.

    In this process, and for good: it is a worker. That a fixture measures but once, pytest-benchmark still sees to.
    """
    from pytest_benchmark import fixture

    taken: Any = fixture.BenchmarkFixture
    taken._raw = lambda benchmark, function, *args, **kwargs: call(benchmark, function, *args, **kwargs)
    taken._raw_pedantic = lambda benchmark, target, **its: pedantic(benchmark, target, **its)


def give_metrics() -> None:
    """Give every ``benchmark`` fixture its method ``metric``, by which a test tells what else it has measured."""
    from pytest_benchmark import fixture

    taken: Any = fixture.BenchmarkFixture
    taken.metric = _tell_metric


def _tell_metric(benchmark: Any, name: str, value: float, *, better: str, unit: str = "", margin: str = "5%") -> None:
    """Tell a figure of this test's own, to be saved, and judged beside its time where a session judges.

    :param name: an identifier; ``value`` is this trial's.
    :param better: ``"higher"`` or ``"lower"``.
    :param margin: a change that does not matter: ``"2%"``, ``"0.5"`` of its unit, or both.
    """
    from pytest_duet.plugin.items.own_metrics import OwnMetric

    metric = OwnMetric(name, better, unit, margin).checked()
    told = benchmark.__dict__.setdefault("duet_metrics", {})
    told[name] = {"value": float(value), "metric": asdict(metric)}
    benchmark.extra_info[name] = float(value)


def clock_of(benchmark: Any) -> dict[str, Any]:
    """Return the timer of a ``benchmark`` fixture, and whether Python's collector is off while it runs."""
    return {"timer": benchmark._timer, "disable_gc": bool(benchmark._disable_gc)}


def add_stats(benchmark: Any, seconds: Iterable[float], calls: int) -> None:
    """Give a fixture its statistics, as if it had measured them itself.

    :param seconds: of a call, in each round.
    :param calls: of a round.
    """
    stats = benchmark._make_stats(calls)
    for each in seconds:
        stats.update(each * calls)


def as_plain_record(benchmark: Any) -> dict[str, Any]:
    """Return what pytest-benchmark keeps of a fixture as JSON knows it; what it does not know is spelled out."""
    from pytest_benchmark.utils import safe_dumps

    plain: dict[str, Any] = json.loads(safe_dumps(benchmark.stats.as_dict()))  # type: ignore[no-untyped-call]
    return dict(plain, duet_metrics=getattr(benchmark, "duet_metrics", {}))


def fixture_value(item: pytest.Item, name: str) -> Any:
    """Return the value of a fixture in a test that is running."""
    return item._request.getfixturevalue(name)  # type: ignore[attr-defined]
