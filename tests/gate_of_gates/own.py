"""This gate, both ways, on a simulated machine: its own judges, and its own way to go on until there is an answer."""

from dataclasses import replace
from math import exp
from statistics import median

from pytest_duet.judge import by_history, by_pairs, calibration, more_trials, settled
from pytest_duet.judge.verdict import Family
from pytest_duet.record.metrics import DEFAULT, Measured
from pytest_duet.record.row import Again, Against, Row
from pytest_duet.trials.blocks import Block
from pytest_duet.trials.trial import Memory, Trial
from tests.gate_of_gates.machine import PIECE, Machine

TIME = next(metric for metric in DEFAULT if metric.turns)
NAME, MAX_TRIALS = "simulated", 16
ROUND, ROUNDS = 1.0, 4  # seconds and number of the steady rounds of a trial
TRIALS, RUNS = 3, 20  # of a run, and of the history that it has
SETTLE_SECONDS = 150.0
RUN_MINUTES = 3
AGAINST = Family({TIME.name: TIME}, {NAME: {TIME.name: TIME.against}}, 1)
HISTORY = Family({TIME.name: TIME}, {NAME: {TIME.name: TIME.history}}, 1)
CALIBRATING = (4, 7)  # sessions, and trials of each


def row(seconds, **fields):
    trials = tuple(Trial(Memory(), seconds=each) for each in seconds)
    return Row(NAME, "cpu", {TIME.name: Measured.of(TIME, list(seconds))}, trials, **fields)


class Pairs:
    """Paired trials, one after the other.

    :ivar row: with all of them.
    """

    def __init__(self, machine, slower):
        self._machine, self._slower = machine, slower
        self._blocks, self._new, self._old, self._took = [], [], [], []

    def run(self):
        machine, began = self._machine, self._machine.now
        sides = {side: machine.start() for side in ("new", "old")}
        for process in (*sides.values(), *sides.values()):  # the first round, and one in turns
            machine.work(process, ROUND)
        blocks = [self._block(sides, bool(number % 2)) for number in range(round(ROUNDS * ROUND / PIECE / 2))]
        self._took.append(machine.now - began)
        self._blocks.append(tuple(blocks))
        self._new.append(sum(block.new for block in blocks) / ROUNDS)
        self._old.append(sum(block.old for block in blocks) / ROUNDS)
        shifts = [by_pairs.typical(of_trial).shift for of_trial in self._blocks]
        against = Against(
            "then", row(self._old), tuple(map(exp, shifts)), tuple(self._blocks), wall_seconds=tuple(self._took)
        )
        self.row = row(self._new, against=against)

    def _block(self, sides, flipped):
        found = {}
        for new_first in (True, False)[:: -1 if flipped else 1]:
            for side in ("new", "old")[:: 1 if new_first else -1]:
                seconds = self._machine.work(sides[side]) * (self._slower if side == "new" else 1.0)
                found[side, new_first] = seconds
        return Block(found["new", True], found["old", True], found["new", False], found["old", False])


def calibrated(rng):
    """Return what ``calibrate --against`` would have found on this machine, in a quiet hour of some other day."""
    sessions = []
    for _ in range(CALIBRATING[0]):
        pairs = Pairs(Machine(rng), 1.0)
        for _ in range(CALIBRATING[1]):
            pairs.run()
        sessions.append({NAME: pairs.row})
    found = calibration.by_pairs_sessions(sessions, AGAINST, CALIBRATING[1], MAX_TRIALS)
    return {(one.benchmark, one.metric): one for one in found}


def against(machine, slower, known):
    """Return the verdict of ``--against`` beside the code of before, a calibration known or not."""
    pairs = Pairs(machine, slower)
    pairs.run()
    while more_trials.is_open(NAME, pairs.row, AGAINST, MAX_TRIALS, known):
        pairs.run()
    (one,) = by_pairs.judge_session({NAME: pairs.row}, AGAINST, MAX_TRIALS, known)
    return one.verdict


def run_of(machine, slower):
    """Return the trials of a run, each the median of its rounds."""
    found = []
    for _ in range(TRIALS):
        process = machine.start()
        rounds = [machine.work(process, ROUND) * slower for _ in range(1 + ROUNDS)]
        found.append(median(rounds[1:]))
    return row(found)


def by_runs(machine, slower, known, rng):
    """Return the verdict of ``--gate``, whose history was measured in other hours, what it leaves open included."""
    window = [run_of(Machine(rng, minutes=RUN_MINUTES), 1.0) for _ in range(RUNS)]
    today = run_of(machine, slower)
    said = by_history.judge(NAME, today, TIME, TIME.history, window, RUNS, HISTORY.alpha(TIME))
    if not settled.is_left_open(said):
        return said.verdict
    pairs, until = Pairs(machine, slower), machine.now + SETTLE_SECONDS
    pairs.run()
    while more_trials.is_open(NAME, pairs.row, HISTORY, MAX_TRIALS, known):
        if machine.now + pairs.row.against.last_seconds > until:
            break
        pairs.run()
    again = replace(today, again=(Again("earlier", "earlier", row=pairs.row),))
    return settled.judge(said, again, TIME, TIME.history, MAX_TRIALS, known, HISTORY.alpha(TIME)).verdict
