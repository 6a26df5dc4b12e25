"""A trend in one line of text."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
RUNS = 20  # the newest, that a trend in text shows


def sparkline(values: Sequence[float]) -> str:
    """Return a bar for each value, from the lowest to the highest; all of middle height where they are the same.

    Values that differ by less than 1 % altogether are drawn as equal: the glyphs shall not make mountains of noise.
    """
    low, high = min(values, default=0), max(values, default=0)
    if high <= low * 1.01:
        return BARS[3] * len(values)
    return "".join(BARS[min(len(BARS) - 1, int((value - low) / (high - low) * len(BARS)))] for value in values)
