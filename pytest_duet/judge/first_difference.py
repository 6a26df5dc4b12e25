"""Where two sides first compute something else: numbers that the same program gives to the last bit, round by round."""

from __future__ import annotations

from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.metrics import Metric
from pytest_duet.record.row import Row
from pytest_duet.trials.trial import Part, Trial

UNSURE = "{place} is not the same in all trials of one side."
DIFFERS = "{place} is the first that differs: {new!r}, and {old!r} on the old side."


def compare_rounds(benchmark: str, row: Row, metric: Metric) -> Comparison:
    """Return the comparison of a number that every round, or every part of one, tells."""
    one = Comparison(benchmark, row.subject, metric.name, Verdict.MISSING, trials=len(row.trials))
    if not row.against or not row.trials or not row.against.row.trials:
        return one
    sides = [[_told(trial, metric) for trial in side.trials] for side in (row, row.against.row)]
    (new, *_), (old, *_) = sides
    unsure = {
        place
        for first, *more in sides
        for place, value in first.items()
        if any(other.get(place, value) != value for other in more)
    }
    for place in new:
        if place not in old:  # the sides, or two trials, may have cut a round elsewhere
            continue
        one = one.but(verdict=Verdict.CLEAN, old=old[place], new=new[place])
        if place in unsure:
            return one.but(verdict=Verdict.INCONCLUSIVE, note=UNSURE.format(place=place))
        if new[place] != old[place]:
            return one.but(verdict=Verdict.REGRESSED, note=DIFFERS.format(place=place, new=new[place], old=old[place]))
    return one


def _told(trial: Trial, metric: Metric) -> dict[str, float]:
    """Return a trial's numbers in their order, by the words for their places: the parts of a round, then the round."""
    told = {}
    for each in trial.rounds:
        for part in each.parts:
            told[f"{metric.title} of round {each.number}{_steps(part)}"] = part.metrics.get(metric.name)
        if metric.name in each.metrics:
            told[f"{metric.title} of round {each.number}"] = each.metrics[metric.name]
    return {place: value for place, value in told.items() if value is not None}


def _steps(part: Part) -> str:
    if part.stop == part.first + 1:
        return f", step {part.stop},"
    return f", steps {part.first + 1} to {part.stop or 'the last'}," if part.first or part.stop else ""
