"""How long should a turn of --against be? ``python -m tests.turn_lengths torch jax``, on an idle machine.

Two live workers of one framework, one standing still while the other trains, take turns of several lengths, in blocks
of both orders, each length for as long as the others. Printed is, for every length, what the gate has to see through:
how far blocks scatter, and the standard error that 10 s of such turns leave, the starts and stops included.
"""

import argparse
import time
from contextlib import ExitStack
from math import sqrt
from statistics import stdev

from benchmarks.workload.spec import Workload
from pytest_duet.trials.blocks import Block, total, typical
from pytest_duet.workers.process import ROOT
from tests.interleave_entries import find_runner, warm_worker

STEPS = (1, 2, 4, 8, 16)  # of a turn
SPELL_SECONDS = 2.0  # of one length before the next one's


def turns(sides, steps, count):
    """Return the blocks of one spell.

    :param count: how many came before, whose orders and steps these go on with.
    """
    blocks, until = [], time.monotonic() + SPELL_SECONDS
    while time.monotonic() < until:
        seconds = []
        for new_first in (True, False) if (count + len(blocks)) % 2 else (False, True):
            pair = [0.0, 0.0]
            first = 1 + 2 * STEPS[-1] * ((count + len(blocks)) % 4) + steps * len(seconds)
            for side in (0, 1) if new_first else (1, 0):
                sides[side].go_on()
                pair[side] = sides[side].round(3, first, first + steps).seconds
                sides[side].stand_still()
            seconds.append((new_first, pair))
        (leading,) = [pair for new_first, pair in seconds if new_first]
        (trailing,) = [pair for new_first, pair in seconds if not new_first]
        blocks.append(Block(leading[0], leading[1], trailing[0], trailing[1]))
    return blocks


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frameworks", nargs="+")
    parser.add_argument("--spells", type=int, default=6, help="of each length (default: 6)")
    arguments = parser.parse_args()
    for name in arguments.frameworks:
        runner = find_runner(name, ROOT / ".tox", Workload(steps=10 * STEPS[-1]))
        found = {steps: [] for steps in STEPS}
        with ExitStack() as stack:
            sides = []
            for _ in range(2):
                sides.append(stack.enter_context(warm_worker(runner)))
                for steps in STEPS:
                    sides[-1].round(2, 1, 1 + steps)
                sides[-1].stand_still()
            for _ in range(arguments.spells):
                for steps, blocks in found.items():
                    blocks += turns(sides, steps, len(blocks))
        in_ten_seconds = sqrt(arguments.spells * SPELL_SECONDS / 10)
        for steps, blocks in found.items():
            print(
                f"{name:12} turns of {steps:2} steps: {len(blocks)} blocks, sd {stdev(b.shift for b in blocks):.2%}; "
                f"in 10 s the total is known to {total(blocks).error * in_ten_seconds:.2%}, the typical to "
                f"{typical(blocks).error * in_ten_seconds:.2%}; order effect "
                f"{sum(b.order_effect for b in blocks) / len(blocks):+.2%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
