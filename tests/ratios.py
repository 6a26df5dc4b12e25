"""The ratio of two runners that took turns, for the scripts that compare them."""

from statistics import median, stdev


def median_ratio(over, under):
    """Return the median of the ratios of neighbours and its standard error; what slows the machine slows both."""
    ratios = [x / y for x, y in zip(over, under)]
    return median(ratios), 1.25 * stdev(ratios) / len(ratios) ** 0.5  # of a median of normal values
