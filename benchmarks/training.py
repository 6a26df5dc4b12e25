"""A framework's training as a session runs it: proven, fitted to the budget, then a trial in every round."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from benchmarks.command_line import AGAINST_EPOCH_SECONDS
from benchmarks.proof import parity
from benchmarks.proof.floor import check_busy
from benchmarks.summary import describe
from benchmarks.taking_turns import PairedTraining, TakingTurns, prove
from benchmarks.trainer_runner import TrainerRunner
from pytest_duet.plugin import judging
from pytest_duet.plugin.board import Board
from pytest_duet.plugin.session import GATE
from pytest_duet.trials.other_side import Other
from pytest_duet.trials.rounds import Rounds


@dataclass
class Training:
    """An entrant of :class:`pytest_duet.trials.rounds.Rounds`.

    :param make_runner: gives its :class:`TrainerRunner`, or raises what keeps it from training here.
    :param peak_of: gives, for a device, its measured peak.
    :param epoch_budget: in seconds; None for whole epochs, however long.
    :param audited_trial: drawn for the session; None for none.
    :param new: what its workers run.
    :ivar built: what the trainer said of itself.
    """

    name: str
    make_runner: Callable[[], TrainerRunner]
    turns: TakingTurns
    peak_of: Callable
    epoch_budget: float | None
    audited_trial: int | None = None
    new: Other = field(default=Other("self"), kw_only=True)

    def prepare(self):
        self.trials, self.errors = [], []
        self.asked = self.make_runner()
        self.runner = self.new.runner(self.asked)
        self.built = self.turns.prove_steps(self.name, self.runner)
        self.peak, self.step_seconds = self.peak_of(self.built["device"]), self.built["seconds_per_step"]
        images = len(self.turns.mnist.train_labels)
        self.runner = self.runner.within(self.epoch_budget, self.step_seconds, images)
        steps = self.runner.workload.steps_per_epoch(images)
        self.runner = replace(self.runner, audited_trial=self.audited_trial, steps=steps)
        self.right = self.turns.oracle(self.runner.workload)

    def run(self, number):
        self.turns.soak(self.runner)
        self._take(number, self.runner.run(number, self.turns.sampler))

    def heat(self, number):
        self.turns.soak(self.runner)
        sampler = self.turns.sampler()  # now, before anybody's worker starts: each other's memory is not foreign
        return self._heat(number, sampler)

    def _heat(self, number, sampler):
        trial = yield from self.runner.heat(number, sampler)
        self._take(number, trial)

    def _take(self, number, trial):
        if parity.lags(trial):
            again = self.runner.run(number, self.turns.sampler)
            trial = replace(again, attempt=trial.attempt + again.attempt)
        error, proven = prove(self.name, trial, self.right, self.runner.workload, self.turns.mnist)
        self.errors.append(error)
        self.trials.append(proven)

    def news(self):
        last = self.trials[-1]
        return f"epoch {last.seconds:.3f} s{', DISTURBED' if last.disturbed else ''}"

    def described(self):
        """Return its row, as :func:`benchmarks.summary.describe` does; the contract is to hold, too.

        It is checked after the trials, which tell better what is wrong with one that lags.
        """
        self.turns.check_contract(self.name, self.runner, self.built)
        floor = self.turns.check_floor(self.name, self.runner, self.built["device"], self.trials)
        told = self.built, self.trials, self.errors, self.peak, self.right
        row, found = describe(self.runner, self.turns.mnist, *told)
        check_busy(self.name, found.device_busy_share)
        return row, replace(found, floor_seconds=floor)

    def beside(self, other, wants_more):
        """Return the row of paired trials with another side's code, for as long as more of them are wanted."""
        images = len(self.turns.mnist.train_labels)
        paired = self._paired(other, self.runner.within(AGAINST_EPOCH_SECONDS, self.step_seconds, images))
        paired.run()
        while wants_more(paired.row):
            paired.run()
        paired.check()
        return paired.row

    def _paired(self, other, runner):
        old = other.runner(self.asked)  # as whole as the new side was: else its smaller last batch is work that changed
        built = [self.built, self.turns.prove_steps(f"{other.name}'s {self.name}", old)]
        if None in [side["live_peak_bytes"] for side in built]:  # like with like
            built = [{**side, "live_peak_bytes": None} for side in built]
        runners = runner, replace(old, workload=runner.workload)
        return PairedTraining(self.turns, other.name, runners, built, self.peak)


@dataclass(kw_only=True)
class TrainingAgainst(Training):
    """The same whose trials are paired.

    :param other: the old side, :class:`pytest_duet.trials.other_side.Other`.
    :ivar paired: :class:`benchmarks.taking_turns.PairedTraining`.
    """

    other: Other

    def prepare(self):
        super().prepare()
        self.paired = self._paired(self.other, self.runner)

    def run(self, number):
        self.turns.soak(self.runner)
        self.paired.run()

    def news(self):
        return f"{self.paired.row.against.ratios[-1] - 1:+.1%}"


def rounds_of(request, options, data_directory, turns, peak_of, progress):
    """Return the :class:`Rounds` of all frameworks whose tests want the fixture of this request, in this session.

    Where other workers have the rest of the machine, each framework runs alone.

    :param turns: :class:`TakingTurns`.
    :param peak_of: gives, for a device, its measured peak.
    """
    session, config = request.session, request.config
    gate = config.stash[GATE]
    items = [item for item in session.items if request.fixturename in getattr(item, "fixturenames", ())]
    nodes = {item.callspec.params["framework"]: item.nodeid for item in items}
    sides = [request.getfixturevalue(f"duet_{side}") for side in ("new", "other")] if gate.options.against else []
    together = not (options.slot and options.slot.workers > 1)
    trials = 1 if config.getoption("benchmark_disable") else options.trials
    board = Board(progress, list(nodes), None if sides else trials)

    def training(name):
        make_runner = partial(options.runner, options.entries[name], data_directory, partial(board.tell, name))
        told = name, make_runner, turns, peak_of, options.epoch_budget
        if sides:
            return TrainingAgainst(*told, new=sides[0], other=sides[1])
        return Training(*told, 1 + secrets.randbelow(trials))

    entrants = {name: training(name) for name in nodes}

    def worth_more(names):
        for name in names:
            asked, trained = options.benchmark_id(name), options.benchmark_id(name, entrants[name].runner.workload)
            gate.rename(nodes[name], nodes[name].replace(f"[{asked}]", f"[{trained}]"))
        chosen = judging.worth_more(gate, {nodes[name]: entrants[name].paired.row for name in names})
        return [name for name in names if nodes[name] in chosen]

    if sides and together:
        gate.begin(nodes.values())
    return Rounds(
        entrants,
        gate.options.max_trials if sides else trials,
        worth_more=worth_more if sides else None,
        race=options.race,
        together=together,
        watcher=board,
        stop=partial(setattr, session, "shouldstop", "interrupted: what had trials by then is shown"),
        stop_at_failure=config.getoption("maxfail") == 1,
    )
