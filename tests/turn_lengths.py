"""How long should a turn of --against be? ``python -m tests.turn_lengths torch jax --trials 8``, on an idle machine.

In every trial two live workers of one framework train the same epochs in turns of several lengths, for the same time in
each. Printed is, for every length, how far the trials' ratios scatter around 1: what the gate has to see through.
"""

import argparse
from contextlib import ExitStack
from itertools import product
from math import log
from statistics import median, stdev

from benchmarks.workload.spec import Workload
from pytest_duet.workers.process import ROOT
from tests.interleave_entries import find_runner, warm_worker

STEPS = (4, 16, 64, 256)  # of a turn


def trial(runner, number, turns_of_longest):
    """Return each length's ratio: the median over its turns."""
    with ExitStack() as stack:
        pair = [stack.enter_context(warm_worker(runner)) for _ in range(2)]
        for worker, steps in product(pair, STEPS):
            worker.round(2, 0, steps)
        if number % 2:
            pair.reverse()  # who started first takes the other part
        ratios = {}
        for steps in STEPS[number % len(STEPS) :] + STEPS[: number % len(STEPS)]:
            found = []
            for turn in range(turns_of_longest * STEPS[-1] // steps):
                first = turn * steps % STEPS[-1]
                seconds = [0.0, 0.0]
                for side in (0, 1) if (turn + number // 2) % 2 else (1, 0):
                    seconds[side] = pair[side].round(3, first, first + steps).seconds
                found.append(log(seconds[0] / seconds[1]))
            ratios[steps] = median(found)
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frameworks", nargs="+")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--turns", type=int, default=4, help="of the longest, in every trial (default: 4)")
    arguments = parser.parse_args()
    for name in arguments.frameworks:
        runner = find_runner(name, ROOT / ".tox", Workload(steps=STEPS[-1]))
        trials = [trial(runner, number, arguments.turns) for number in range(arguments.trials)]
        for steps in STEPS:
            found = [ratios[steps] for ratios in trials]
            print(
                f"{name:12} turns of {steps:3} steps: standard deviation {stdev(found):.2%}, "
                f"median {median(found):+.2%}, worst {max(map(abs, found)):.2%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
