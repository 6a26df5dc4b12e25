"""Did the work change? Counters that scatter by nothing, beside times that do: equal work counts equally."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.metrics import Metric
from pytest_duet.record.row import Row


def changes(new: Row, old: Row | None) -> str:
    """Return what of a row's work counters is not as it was, in words; ``""`` where nothing is, or nobody counted."""
    if old is None or not new.counters or not old.counters:
        return ""
    names = [*new.counters, *(name for name in old.counters if name not in new.counters)]
    pairs = [(name, old.counters.get(name, 0), new.counters.get(name, 0)) for name in names]
    known = [(name, was, now) for name, was, now in pairs if was is not None and now is not None]
    return ", ".join(_in_words(*each) for each in known if each[1] != each[2])


def _in_words(name: str, old: float, new: float) -> str:
    share = f", {100 * (new / old - 1):+.1f} %" if old else ""
    return f"{new - old:+,.5g} {name} ({old:,.7g} → {new:,.7g}{share})"


def with_work(
    comparisons: Iterable[Comparison],
    metrics: Mapping[str, Metric],
    changed: Mapping[str, str],
    fails: bool,
) -> list[Comparison]:
    """Return the comparisons, those of times with what changed of the work that they timed.

    :param changed: :func:`changes` by benchmark, of those where there are any.
    :param fails: whether changed work is a regression whatever the clock says.
    """
    found = []
    for one in comparisons:
        what = changed.get(one.benchmark)
        if what and metrics[one.metric].turns:
            verdict = Verdict.REGRESSED if fails and one.verdict is not Verdict.VOID else one.verdict
            one = one.but(verdict=verdict, note=f"{one.note} Its work changed: {what}.".strip())
        found.append(one)
    return found
