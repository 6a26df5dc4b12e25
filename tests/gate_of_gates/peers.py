"""Other gates on a simulated machine, each as its authors would run it, and its own code wherever it has a door to it.

Each is a function of a machine, of how much slower the new code is and of a random generator for the machine's other
days. It returns whether the gate would fail that change, and leaves in ``machine.now`` what today's session took.
"""

import json
import subprocess
from pathlib import Path
from statistics import fmean

import numpy as np

from pytest_duet.trials.other_side import interpreter_of
from tests.gate_of_gates import rules
from tests.gate_of_gates.machine import Machine
from tests.gate_of_gates.own import ROUND

PYTEST_BENCHMARK = (5, 1.0)  # --benchmark-min-rounds, --benchmark-max-time in seconds
PYPERF = (20, 3)  # processes, and values of each; one more of each is for warming up
REPETITIONS = 9  # that google/benchmark's U test asks for
DAYS, CHANGED_ON = 40, 30  # of Otava's series: a run a day, and a change that stays
PILOT, MOST_PAIRS = 6, 60  # of benchmatrix


def run_of_pytest_benchmark(machine, slower):
    """Return the rounds of a run: one process, a warm call, and as many as pytest-benchmark makes by default."""
    process = machine.start()
    machine.work(process, ROUND)
    least, longest = PYTEST_BENCHMARK
    rounds = max(least, round(longest / ROUND))
    return [machine.work(process, ROUND) * slower for _ in range(rounds)]


def compare_fail(machine, slower, rng):
    """``--benchmark-compare --benchmark-compare-fail=mean:5%``, against a run that was saved on another day."""
    before = run_of_pytest_benchmark(Machine(rng, minutes=3), 1.0)
    return rules.compare_fail(before, run_of_pytest_benchmark(machine, slower))


def thresholds(machine, slower, rng):
    """Return, by the share that is allowed, whether the mean rose by more since the last run."""
    before = run_of_pytest_benchmark(Machine(rng, minutes=3), 1.0)
    now = run_of_pytest_benchmark(machine, slower)
    return {share: rules.threshold(before, now, share) for share in rules.THRESHOLDS}


def u_test(machine, slower, rng):
    """``compare.py benchmarks OLD NEW --benchmark_repetitions=9``: google/benchmark's U test at its default alpha."""
    sides = []
    for factor in (1.0, slower):
        process = machine.start()
        sides.append([machine.work(process, ROUND) * factor for _ in range(REPETITIONS)])
    return rules.u_test(*sides)


def pyperf_compare(machine, slower, rng):
    """``pyperf timeit`` of either side, one after the other, and ``pyperf compare_to``."""
    sides = []
    for factor in (1.0, slower):
        runs = []
        for _ in range(PYPERF[0]):
            process = machine.start()
            machine.work(process, ROUND)
            runs.append([machine.work(process, ROUND) * factor for _ in range(PYPERF[1])])
        sides.append(runs)
    return rules.pyperf_compare(*sides)


def benchmatrix_paired(machine, slower, rng):
    """``benchmatrix collect-paired``, ``compare --paired --precision-target 2%``, and a fresh collection as it plans.

    The threshold is this gate's margin, not its own 5 %. A pair is a process of either side, AB and BA in turn.
    """

    def collect(count):
        sides = [], []
        for pair in range(count):
            for side in (0, 1)[:: 1 if pair % 2 else -1]:
                sides[side].append(float(np.median(run_of_pytest_benchmark(machine, (1.0, slower)[side]))))
        return sides

    planned = rules.planned_pairs(*collect(PILOT))
    return rules.benchmatrix_paired(*collect(min(planned or MOST_PAIRS, MOST_PAIRS)))


def otava(machine, slower, rng, find):
    """``otava analyze`` after each day's run: is there a change point at the change, once that many days are over?

    A single session decides nothing here: what counts as its time is that of all runs since the change.

    :param find: returns where change points are in a series, :class:`Otava`.
    """
    series = []
    for day in range(DAYS):
        where = machine if day == CHANGED_ON else Machine(rng, minutes=3)
        series.append(fmean(run_of_pytest_benchmark(where, slower if day >= CHANGED_ON else 1.0)))
        if day >= CHANGED_ON and any(index >= CHANGED_ON - 2 for index in find(series)):
            machine.now *= day - CHANGED_ON + 1
            return True
    machine.now *= DAYS - CHANGED_ON
    return False


class Otava:
    """Otava's own code, with its defaults, in an environment of its own.

    :param environment: the folder of that.
    """

    def __init__(self, environment):
        code = """if True:
            import json, sys
            from otava.analysis import compute_change_points
            for line in sys.stdin:
                found, _ = compute_change_points(json.loads(line))
                print(json.dumps([int(point.index) for point in found]), flush=True)
        """
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self._process = subprocess.Popen([interpreter_of(Path(environment)), "-c", code], **pipes)

    def __call__(self, series):
        self._process.stdin.write(json.dumps(series) + "\n")
        return json.loads(self._process.stdout.readline())
