"""The gate's verdicts as tests: one for each metric of each benchmark, and one for the baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_duet.errors import DuetError
from pytest_duet.plugin import compat
from pytest_duet.record.metrics import Metric


class GateItem(pytest.Item):
    """A test that ends as ``judge`` says when it is called: with its outcome, in pytest's words, and a paragraph."""

    def __init__(self, *, judge: Callable[[], tuple[str, str]], **given: Any) -> None:
        super().__init__(**given)
        self.judge = judge

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name  # it has no code of its own to be shown

    def runtest(self) -> None:
        outcome, text = self.judge()
        if outcome == "failed":
            pytest.fail(text, pytrace=False)
        if outcome == "skipped":
            compat.skip_as_item(text)


def gate_items(
    benchmarks: Sequence[pytest.Item],
    metrics: Iterable[str],
    outcome: Callable[[str, str], tuple[str, str]],
    baseline: Callable[[], tuple[str, str]] | None,
) -> list[pytest.Item]:
    """Return a test for each metric of each benchmark, and one for the baseline.

    :param outcome: gives, for a benchmark's node id and a metric, how its test ends and what it says.
    :param baseline: the same of what has gone missing; None where no history is judged by.
    """
    found: list[pytest.Item] = []
    for item in benchmarks:
        parent: Any = item.parent
        for metric in metrics:
            judge = partial(outcome, item.nodeid, metric)
            found.append(GateItem.from_parent(parent, name=comparison_name(item.name, metric), judge=judge))
    if benchmarks and baseline:
        parent = benchmarks[0].parent
        found.append(GateItem.from_parent(parent, name="gate:baseline", judge=baseline))
    return found


def add_items(item: pytest.Item, metrics: list[str], outcome: Callable[[str, str], tuple[str, str]]) -> set[str]:
    """Have a session that is under way run tests of further metrics at its end, and return their node ids."""
    own = gate_items([item], metrics, outcome, None)
    item.session.items += own
    for _ in own:
        compat.count_test(item.session)
    return {each.nodeid for each in own}


def check_alike(name: str, metric: Metric, known: Metric) -> None:
    """Raise a DuetError where a benchmark tells something else than another one does by the same name."""
    if (known.unit, known.better) != (metric.unit, metric.better):
        raise DuetError(
            f"{name}: its metric {metric.name} is in {metric.unit!r}, {metric.better} is better; another test's is in "
            f"{known.unit!r}, {known.better} is better. Give one of them another name."
        )


def comparison_name(benchmark: str, metric: str) -> str:
    """Return the name, or the node id, of the test of a benchmark's metric: ``test.METRIC[parameters]``."""
    function, bracket, parameters = benchmark.partition("[")
    return f"{function}.{metric}{bracket}{parameters}"
