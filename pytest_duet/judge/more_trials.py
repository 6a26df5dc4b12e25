"""Are more paired trials worth their time, and how many will it take?"""

from __future__ import annotations

from pytest_duet.judge import by_pairs, paired, sequential
from pytest_duet.judge.by_pairs import NONE, Calibrations
from pytest_duet.judge.verdict import Family
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.row import Row

HOPELESS = 2  # where it would take as many times --max-trials, no more trials are run


def too_few(family: Family, max_trials: int) -> list[str]:
    """Return a sentence where so many paired trials can never be enough to accuse, whatever their noise."""
    if all(paired.plan_looks(family.alpha(metric), max_trials) for metric in family.judged):
        return []
    return [
        f"--max-trials={max_trials} are too few for an answer on every metric of {len(family.margins)} benchmarks, "
        "unless a calibration knows the noise: the more there are, the surer each must be."
    ]


def least_trials(family: Family, max_trials: int) -> int:
    """Return how many paired trials a benchmark takes before its first verdict, where nothing is known of the noise."""
    looks = [paired.plan_looks(family.alpha(metric), max_trials) for metric in family.judged if metric.turns]
    return max((found[0].trials for found in looks if found), default=max_trials)


def is_open(
    benchmark: str, row: Row, family: Family, max_trials: int, known: Calibrations = NONE, others: int = 1
) -> bool:
    """Tell whether more trials may still bring an answer, and no more of them than anybody would run."""
    return trials_to_go(benchmark, row, family, max_trials, known, others) > 0


def trials_to_go(
    benchmark: str, row: Row, family: Family, max_trials: int, known: Calibrations = NONE, others: int = 1
) -> int:
    """Return how many more trials the next answer is thought to take; 0 where none is open, or none may be run.

    What takes turns is what trials are run for; memory and first rounds are judged by those that there are. A suite
    that names nothing of the kind waits for all of its metrics.

    :param others: how many sides the new one is compared with; they share the error.
    """
    had = len(row.trials)
    open_ = _open(benchmark, row, family, max_trials, known, others) if had < max_trials else []
    return min((max(1, (one.needs or 0) - had) for one in open_), default=0)


def _open(
    benchmark: str, row: Row, family: Family, max_trials: int, known: Calibrations, others: int
) -> list[Comparison]:
    """Return the comparisons to which more trials may still bring an answer."""
    its = [metric for metric in family.judged if metric.name in family.margins[benchmark]]
    found = [
        by_pairs.judge(
            benchmark,
            row,
            metric,
            family.margins[benchmark][metric.name],
            max_trials,
            known,
            family.alpha(metric) / others,
            family.clean_error,
        )
        for metric in [metric for metric in its if metric.turns] or its
    ]
    many = len(row.trials) >= 2 * sequential.FIRST_LOOK
    open_ = [one for one in found if one.verdict is Verdict.INCONCLUSIVE]
    return [one for one in open_ if not (many and (one.needs or 0) > HOPELESS * max_trials)]
