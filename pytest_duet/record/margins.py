"""By how much a metric may differ: margins, and the texts that they are read from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_duet.errors import DuetError

if TYPE_CHECKING:
    from pytest_duet.record.metrics import Metric

UNITS = {"s": {"ms": 1e-3, "s": 1.0}, "B": {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}}
EXAMPLES = {"s": "5%, 1ms or 0.5s", "B": "5% or 2MiB"}


@dataclass(frozen=True)
class Margin:
    """A difference that does not matter: up to this share of the old value, or up to this absolute one, if more."""

    share: float = 0.05
    absolute: float = 0.0

    def ratio(self, old: float) -> float:
        """Return the largest new/old that lies within."""
        return 1 + max(self.share, self.absolute / old)


USUAL = Margin()


def parse_margin(text: str, default: Margin, unit: str) -> Margin:
    """Return the margin that ``"5%"``, ``"1ms"`` or ``"5%,1ms"`` means; what is left out is the default's.

    :param unit: of the metric; a time in bytes, or the other way round, would make a gate that lets everything pass.
    :raises ValueError: for anything else.
    """
    share, absolute = default.share, default.absolute
    units = UNITS.get(unit, {"": 1.0})
    for part in text.split(","):
        found = re.fullmatch(rf"\s*(\d+(?:\.\d+)?)\s*(%|{'|'.join(units)})\s*", part)
        if not found:
            raise ValueError(f"{part.strip()!r} is no margin such as {EXAMPLES.get(unit, '5% or 0.5')}")
        number = float(found[1])
        if found[2] == "%":
            share = number / 100
        else:
            absolute = number * units[found[2]]
    return Margin(share, absolute)


def real_names(name: str, metrics: Mapping[str, Metric]) -> list[str]:
    """Return the metrics that a name means: ``"time"`` is whatever takes turns, where something does."""
    return [each.name for each in metrics.values() if each.turns and name == "time"] or [name]


def margin_text(name: str, share: float, unit: str) -> str:
    """Return a margin of nothing but this share of the old value, as :func:`read_margins` reads it."""
    nothing = {"s": "0s", "B": "0KiB"}.get(unit, "0")
    return f"{name}={100 * share:.4f}%,{nothing}"


def read_margins(
    texts: Iterable[str], defaults: Mapping[str, Margin], metrics: Mapping[str, Metric], where: str
) -> dict[str, Margin]:
    """Return the margins by metric that lines like ``"seconds=3%,1ms"`` change from the defaults.

    :raises DuetError: naming ``where`` the line was given.
    """
    margins = dict(defaults)
    for text in texts:
        given, _, margin = (part.strip() for part in text.partition("="))
        for name in real_names(given, metrics):
            if name not in margins:
                raise DuetError(f"{where} {text!r}: {name!r} is none of {', '.join(margins)}.")
            try:
                margins[name] = parse_margin(margin, margins[name], metrics[name].unit)
            except ValueError as error:
                raise DuetError(f"{where} {text!r}: {error}.") from None
    return margins
