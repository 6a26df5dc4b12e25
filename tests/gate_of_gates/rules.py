"""The rules of other gates, each by its own code wherever that can be called: does this change fail?

Each takes what was measured before and now, in seconds: of one process, or of several processes each.
"""

from statistics import fmean, median

from scipy.stats import mannwhitneyu

THRESHOLDS = (0.07, 0.15, 0.30, 1.50)
ALPHA = 0.05  # google/benchmark's, by default
RESAMPLES = 2_000  # benchmatrix's, which takes 50,000 by default
MARGIN_PERCENT = 2.0  # that this gate allows by default where both sides take turns


def compare_fail(before, now, expression="mean:5%"):
    """pytest-benchmark's ``--benchmark-compare-fail``, by the code that it parses and checks the expression with."""
    from pytest_benchmark.stats import Stats
    from pytest_benchmark.utils import parse_compare_fail

    sides = []
    for values in (before, now):
        stats = Stats()
        for seconds in values:
            stats.update(seconds)
        sides.append(stats.as_dict())
    return bool(parse_compare_fail(expression).fails(sides[1], sides[0]))


def threshold(before, now, share):
    return fmean(now) / fmean(before) > 1 + share


def u_test(before, now):
    """google/benchmark's ``compare.py``: SciPy's Mann-Whitney, two-sided, and the side that the median is on."""
    return bool(mannwhitneyu(before, now, alternative="two-sided").pvalue < ALPHA and median(now) > median(before))


def pyperf_compare(before, now):
    """``pyperf compare_to``: Student's t test over all values, whatever process they are of.

    :param before: of each process, its values, as ``now`` is.
    """
    from pyperf._utils import is_significant

    sides = [[value for values in processes for value in values] for processes in (before, now)]
    return bool(is_significant(*sides)[0] and fmean(sides[1]) > fmean(sides[0]))


def planned_pairs(before, now):
    """Return how many pairs benchmatrix plans for an interval of 2 %, of a pilot's medians, AB and BA in turn."""
    from benchmatrix.bench_statistics import plan_paired_precision

    target = {"lower_is_better": True, "target_half_width_percent": MARGIN_PERCENT, "strata": _orders(before)}
    return plan_paired_precision(before, now, **target).required_pairs


def benchmatrix_paired(before, now, margin_percent=MARGIN_PERCENT):
    """``benchmatrix compare --paired``, by its own interval: does the whole of it lie beyond the margin?

    :param before: the median of each process, as ``now`` is; neighbours are a pair, AB and BA in turn.
    """
    from benchmatrix.bench_statistics import bootstrap_paired_median_ratio_interval

    how = {"lower_is_better": True, "confidence_level": 0.95, "resamples": RESAMPLES, "random_seed": 0}
    found = bootstrap_paired_median_ratio_interval(before, now, strata=_orders(before), **how)
    return found.high is not None and found.high < -margin_percent


def _orders(pairs):
    return [("AB", "BA")[number % 2] for number in range(len(pairs))]
