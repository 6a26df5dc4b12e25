"""The gate's verdicts as tests: one for each metric of each benchmark, and one for the baseline."""

from __future__ import annotations

from collections.abc import Callable
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


def comparison_name(benchmark: str, metric: str) -> str:
    """Return the name, or the node id, of the test of a benchmark's metric: ``test.METRIC[parameters]``."""
    function, bracket, parameters = benchmark.partition("[")
    return f"{function}.{metric}{bracket}{parameters}"
