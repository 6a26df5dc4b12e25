"""A simulated machine with moods: how long a piece of work takes on it depends on when it runs, and in which process.

Its noise is of the size that docs/gate-figures.md and the recorded sessions show on two shared cores: pieces of a tenth
of a second scatter by 2 %, processes of the same code differ by 0.5 %, and the whole machine slows and recovers, within
tens of seconds by 1.5 % and within the hour by 3 %.
"""

from dataclasses import dataclass, field
from math import exp, log, sqrt

import numpy as np
from scipy.signal import lfilter

PIECE = 0.1  # seconds, which all work is made of
PIECE_NOISE, PROCESS_NOISE = 0.02, 0.005  # standard deviations of logarithms, as the moods' are
MOODS = {20.0: 0.015, 1800.0: 0.03}  # by how many seconds they last
START_SECONDS = 3.0  # of a process: imports, building, compiling
MINUTES = 60  # of one afternoon that anybody may use
KINDS = {
    "unchanged": "nothing but its noise",
    "bursts": "every quarter of a minute, something takes a quarter of it for 2 s",
    "drift": "it gets slower by 5 % in ten minutes, and goes on to",
    "neighbour": "a minute after the session has begun, something takes a seventh of it, by fits and starts",
}


def mood(rng, deviation, seconds, count):
    """Return a first-order autoregressive process that keeps its value for so many seconds, one value a piece."""
    keep = exp(-PIECE / seconds)
    drawn = rng.standard_normal(count) * deviation * sqrt(1 - keep**2)
    drawn[0] = rng.standard_normal() * deviation
    return lfilter([1.0], [1.0, -keep], drawn)


@dataclass
class Machine:
    """One afternoon of it.

    :param kind: one of ``KINDS``.
    :param minutes: for which it is there.
    :ivar now: seconds since the session began.
    """

    rng: np.random.Generator
    kind: str = "unchanged"
    minutes: float = MINUTES
    now: float = 0.0
    _slowness: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        count = round(self.minutes * 60 / PIECE)
        self._slowness = sum(mood(self.rng, deviation, seconds, count) for seconds, deviation in MOODS.items())
        if self.kind == "bursts":
            for start in self.rng.integers(0, count, round(count * PIECE / 15)):
                self._slowness[start : start + round(2 / PIECE)] += log(4 / 3)
        elif self.kind == "drift":
            self._slowness += log(1.05) / (600 / PIECE) * np.arange(count)
        elif self.kind == "neighbour":
            late = slice(round(60 / PIECE), None)
            self._slowness[late] += log(7 / 6) + mood(self.rng, 0.05, 1.0, len(self._slowness[late]))

    def start(self):
        """Start a process and return what makes it unlike others."""
        self.wait(START_SECONDS)
        return PROCESS_NOISE * self.rng.standard_normal()

    def wait(self, seconds):
        self.now += seconds

    def work(self, process, seconds=PIECE):
        """Do what takes so many seconds on a machine in no mood, and return how many it took."""
        took = 0.0
        for _ in range(round(seconds / PIECE)):
            slow = self._slowness[int((self.now + took) / PIECE)] + process + PIECE_NOISE * self.rng.standard_normal()
            took += PIECE * exp(slow)
        self.now += took
        return took
