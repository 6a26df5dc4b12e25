"""A test's own metrics: what it tells by ``benchmark.metric(...)``, or what the settings name of its ``extra_info``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from pytest_duet.errors import DuetError

if TYPE_CHECKING:
    from pytest_duet.record.metrics import Metric

BETTER = ("higher", "lower")
USUAL_MARGIN = "5%"


@dataclass(frozen=True)
class OwnMetric:
    """What is known of such a metric, beside its values.

    :param better: ``"higher"`` or ``"lower"``.
    :param margin: what does not matter, such as ``"2%"`` or ``"2%,0.5"``.
    """

    name: str
    better: str
    unit: str = ""
    margin: str = USUAL_MARGIN

    def checked(self) -> OwnMetric:
        """Return it; raises a ValueError where something of it makes no sense."""
        from pytest_duet.record.margins import USUAL, parse_margin
        from pytest_duet.record.metrics import DEFAULT

        if not self.name.isidentifier() or self.name in {each.name for each in DEFAULT}:
            raise ValueError(f"{self.name!r} cannot be a metric's name: it has to be an identifier, and none of ours")
        if self.better not in BETTER:
            raise ValueError(f"{self.name}: better={self.better!r} is neither {' nor '.join(BETTER)}")
        parse_margin(self.margin, USUAL, self.unit)
        return self

    def as_metric(self) -> Metric:
        from pytest_duet.record.margins import USUAL, parse_margin
        from pytest_duet.record.metrics import Metric

        margin = parse_margin(self.margin, USUAL, self.unit)
        better = cast(Literal["lower", "higher"], self.better)
        title = self.name.replace("_", " ")
        return Metric(self.name, title, self.unit, better, history=margin, against=margin, own=True)


def from_settings(lines: Sequence[str]) -> dict[str, OwnMetric]:
    """Return the metrics that lines such as ``"tokens_per_second = higher, 1/s, 2%"`` declare, by name.

    :raises DuetError: for a line that makes no sense.
    """
    found = {}
    for line in lines:
        name, _, rest = line.partition("=")
        better, unit, margin = (*(part.strip() for part in rest.split(",", 2)), "", "")[:3]
        try:
            its = OwnMetric(name.strip(), better, unit, margin or USUAL_MARGIN).checked()
        except ValueError as error:
            raise DuetError(f"duet_metrics: {line!r}: {error}. Write: NAME = higher or lower, UNIT, MARGIN.") from None
        found[its.name] = its
    return found


def told(records: Sequence[Mapping[str, Any] | None], declared: Mapping[str, OwnMetric]) -> dict[str, OwnMetric]:
    """Return the metrics that a test's trials tell, by name.

    :param records: pytest-benchmark's, as plain values: of each trial its own.
    :param declared: those of the settings.
    """
    found: dict[str, OwnMetric] = {}
    for record in records:
        its = dict(record or {})
        found.update({name: OwnMetric(**one["metric"]) for name, one in its.get("duet_metrics", {}).items()})
        found.update({name: one for name, one in declared.items() if _number(its.get("extra_info", {}).get(name))})
    return found


def values(name: str, records: Sequence[Mapping[str, Any] | None]) -> list[float | None]:
    """Return a metric's value in each trial; None where that tells none."""
    found = []
    for record in records:
        its = dict(record or {})
        its_own = its.get("duet_metrics", {}).get(name)
        found.append(its_own["value"] if its_own else _number(its.get("extra_info", {}).get(name)))
    return found


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
