"""The gate's verdicts as tests: one for each metric of each benchmark, and one for the baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_duet.plugin import compat

if TYPE_CHECKING:
    from pytest_duet.plugin.gate import Gate


class _GateItem(pytest.Item):
    """A test of the gate's; it has no code of its own to be shown."""

    def __init__(self, *, gate: Gate, **given: Any) -> None:
        super().__init__(**given)
        self.gate = gate

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


class ComparisonItem(_GateItem):
    """The test of one metric of one benchmark."""

    def __init__(self, *, judged: tuple[str, str], **given: Any) -> None:
        super().__init__(**given)
        self.judged = judged

    def runtest(self) -> None:
        end_as(*self.gate.outcome(*self.judged))


class BaselineItem(_GateItem):
    """The test that nothing which history knows has gone missing."""

    def runtest(self) -> None:
        end_as(*self.gate.baseline_outcome())


def end_as(outcome: str, text: str) -> None:
    """End a test in one of pytest's ways."""
    if outcome == "failed":
        pytest.fail(text, pytrace=False)
    if outcome == "skipped":
        compat.skip_as_item(text)


def comparison_name(benchmark: str, metric: str) -> str:
    """Return the name, or the node id, of the test of a benchmark's metric: ``test.METRIC[parameters]``."""
    function, bracket, parameters = benchmark.partition("[")
    return f"{function}.{metric}{bracket}{parameters}"
