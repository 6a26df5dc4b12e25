"""The gate's verdicts as tests: one for each benchmark, of all its metrics, and one for the baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_duet.plugin import compat


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
    outcome: Callable[[str], tuple[str, str]],
    baseline: Callable[[], tuple[str, str]] | None,
) -> list[pytest.Item]:
    """Return a test of each benchmark's verdicts, and one for the baseline.

    :param outcome: gives, for a benchmark's node id, how its test ends and what it says.
    :param baseline: the same of what has gone missing; None where no history is judged by.
    """
    found: list[pytest.Item] = []
    for item in benchmarks:
        parent: Any = item.parent
        judge = partial(outcome, item.nodeid)
        found.append(GateItem.from_parent(parent, name=verdict_name(item.name), judge=judge))
    if benchmarks and baseline:
        parent = benchmarks[0].parent
        found.append(GateItem.from_parent(parent, name="gate:baseline", judge=baseline))
    return found


def verdict_name(benchmark: str) -> str:
    """Return the name, or the node id, of the test of a benchmark's verdicts: ``test.gate[parameters]``."""
    function, bracket, parameters = benchmark.partition("[")
    return f"{function}.gate{bracket}{parameters}"
