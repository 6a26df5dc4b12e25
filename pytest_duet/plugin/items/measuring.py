"""What a session measures of one test: trials for history, paired trials with another side; and the row they make."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

from pytest_duet.errors import DuetError
from pytest_duet.judge.leaks import leak_of
from pytest_duet.plugin.items import devices
from pytest_duet.plugin.items.host import Ended, Looked
from pytest_duet.plugin.items.own_metrics import OwnMetric, told, values
from pytest_duet.plugin.items.runner import ItemEnded, ItemRunner
from pytest_duet.plugin.items.settings import Settings
from pytest_duet.record.metrics import DEFAULT, MEMORY, Measured, Metric, as_time
from pytest_duet.record.row import Against, Row, memory_source
from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.trials.blocks import typical
from pytest_duet.trials.other_side import Other
from pytest_duet.trials.pairs import Pair, run_apart, run_pair
from pytest_duet.trials.trial import Trial
from pytest_duet.trials.turns import WHOLE_ROUNDS
from pytest_duet.workers.protocol import Opened

OF_A_ROUND = ("seconds", "sustained_seconds", "gpu_energy_joules", "gpu_energy_error_joules")  # fields of a trial
DOES_NOT_WAIT = (
    "{name} returns before its device has done the work: a call took {seconds}, and the device worked on for {lag}. "
    "What is timed is the handing over. Let the function wait, such as "
    "`benchmark(lambda: jax.block_until_ready(f(x)))` or, with PyTorch on a GPU, by a torch.cuda.synchronize() at its "
    "end; or have the wait timed for it: `@pytest.mark.duet(sync=True)` on the test, or `duet_sync = auto` in the ini "
    "file."
)


class Taken:
    """The trials of one side, and what the test told of itself in each, as pytest-benchmark has it."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self.records: list[dict[str, Any] | None] = []

    def add(self, trial: Trial, ended: Ended) -> None:
        self.trials.append(trial)
        self.records.append(ended.record)


class ItemEntrant:
    """An entrant of :class:`pytest_duet.trials.rounds.Rounds`: one test.

    :param runner: without a plan yet.
    :param sampler: gives a fresh sampler for one trial of one side.
    :param declared: metrics that the settings name.
    :param margin: of its time, as a logarithm.
    :ivar taken: its trials.
    :ivar ended: how the test ended when it was looked at.
    """

    def __init__(
        self,
        runner: ItemRunner,
        sampler: Callable[[], MemorySampler],
        declared: Mapping[str, OwnMetric],
        margin: float = log(1.02),
    ) -> None:
        self.runner, self._sampler, self._declared, self._margin = runner, sampler, declared, margin

    def prepare(self) -> None:
        self.taken = Taken()
        self.opened, self.ended, self._first = self.runner.look(self._sampler())
        if any(report["outcome"] != "passed" for report in self.ended.reports):
            raise ItemEnded(self.ended)
        self.looked = Looked.from_json(self.opened.declared)
        check_waits(self.runner.name, self.looked)
        self.runner = self.runner.planned(self.looked)

    def run(self, number: int) -> None:
        if number == 1 and self._is_whole(self._first):
            self.taken.add(self._first, self.ended)
            return
        self.runner.ended.clear()
        trial = self.runner.run(number, self._sampler)
        self.taken.add(trial, self.runner.ended[trial.attempt - 1])

    def _is_whole(self, looked_at: Trial) -> bool:
        """Tell whether a look was as good as a trial: where the test makes one call, in a worker of its own."""
        assert self.runner.plan
        return not (self.runner.plan.rounds or self.runner.shared or looked_at.disturbed)

    def heat(self, number: int) -> Iterator[None]:
        raise NotImplementedError("tests do not race")

    def seconds(self) -> list[float]:
        """Return what a call took in each steady round of all trials."""
        assert self.runner.plan
        calls = self.runner.plan.calls_a_round
        timed = [each.seconds / calls for trial in self.taken.trials for each in trial.steady or trial.rounds]
        return timed or [trial.build_seconds for trial in self.taken.trials if trial.build_seconds is not None]

    def news(self) -> str:
        return DEFAULT[0].text(self.described().typical(DEFAULT[0].name))

    def described(self) -> Row:
        """Return the row of the trials."""
        return self._describe(self.runner, self.opened, self.ended, self.taken)

    def own_metrics(self) -> list[Metric]:
        """Return the metrics of its own that the test has told."""
        return [each.as_metric() for each in told(self.taken.records, self._declared).values()]

    def beside(self, other: Other, wants_more: Callable[[Row], bool]) -> Row:
        """Return the row of paired trials with another side, for as long as more of them are wanted.

        In workers of its own: those that are shared may run another side's code.
        """
        new = replace(self.runner, shared=None)
        return next(row for row in self._pairs(new, other.runner(new), other.name) if not wants_more(row))

    def _pairs(self, new: ItemRunner, old: ItemRunner, name: str) -> Iterator[Row]:
        """Yield the row of paired trials with another side after each of them.

        Where the test has no trials but these, they are its own; where history asks for more, its own stay.
        """
        old = replace(old, ended=[], shared=new.shared and new.shared.other)
        assert new.plan
        # What it is; and a failure there is told as one, not as a crash.
        there, ended, _ = replace(old, plan=None).look(self._sampler())
        check_sides(f"--against={name}", old, self.ended, ended)
        pairs: list[Pair] = []
        ours, theirs = Taken(), Taken()
        if not self.taken.trials:
            self.taken = ours
        while True:
            new.ended.clear()
            old.ended.clear()
            if new.plan and new.plan.takes_turns:
                pairs.append(run_pair(new, old, len(pairs) + 1, self._sampler, WHOLE_ROUNDS, new.stop))
                new, old = (self._fitted(each, pairs[-1]) for each in (new, old))
            else:
                pairs.append(run_apart(new, old, len(pairs) + 1, self._sampler))
            ours.add(pairs[-1].new, new.ended[pairs[-1].new.attempt - 1])
            theirs.add(pairs[-1].old, old.ended[pairs[-1].old.attempt - 1])
            row = self._describe(new, self.opened, self.ended, ours)
            its = self._describe(old, there, ended, theirs)
            yield replace(row, against=Against.of(name, its, pairs))

    def _fitted(self, runner: ItemRunner, pair: Pair) -> ItemRunner:
        """Return the runner of the next trial, with as many rounds as the noise asks for."""
        assert runner.plan
        plan = runner.plan.fitted(typical(pair.blocks).error, self._margin, self.looked.allowed)
        return replace(runner, plan=plan, rounds=plan.rounds)

    def _describe(self, runner: ItemRunner, opened: Opened, ended: Ended, taken: Taken) -> Row:
        row = describe(runner, opened, ended, taken.trials)
        own = {name: one.as_metric() for name, one in told(taken.records, self._declared).items()}
        kept = {name: Measured.of(metric, values(name, taken.records)) for name, metric in own.items()}
        return replace(row, metrics={**row.metrics, **kept})


class PairedItem(ItemEntrant):
    """The same whose trials are paired.

    :param runner: of both sides, as :class:`ItemEntrant` knows it; ``its`` is what else that is to know.
    :param new: the one side; ``other`` is the old one.
    :ivar row: with all trials so far.
    """

    def __init__(self, runner: ItemRunner, *its: Any, new: Other, other: Other) -> None:
        super().__init__(new.runner(runner), *its)
        self._both, self._new, self._other = runner, new, other

    def prepare(self) -> None:
        super().prepare()
        check_sides(f"--new={self._new.name}", self.runner, self.ended, self.ended)
        old = self._other.runner(replace(self._both, plan=self.runner.plan, rounds=self.runner.rounds))
        self._going = self._pairs(self.runner, old, self._other.name)

    def run(self, number: int) -> None:
        self.row = next(self._going)

    def news(self) -> str:
        assert self.row.against
        return f"{self.row.against.ratios[-1] - 1:+.1%}"


def check_waits(name: str, looked: Looked) -> None:
    """Raise a DuetError where a test does not wait for the device that it computes on."""
    if looked.lag and devices.does_not_wait(*looked.lag):
        seconds, after = map(as_time, looked.lag)
        raise DuetError(DOES_NOT_WAIT.format(name=name, seconds=seconds, lag=after))


def check_sides(asked: str, runner: ItemRunner, new: Ended, looked: Ended) -> None:
    """Raise a DuetError where a side that is to run a revision's code would run today's.

    :param asked: the option that named the revision.
    :param runner: the side's; ``looked`` is what a look at it brought, as ``new`` is of the new side.
    """
    if any(report["outcome"] != "passed" for report in looked.reports):
        raise ItemEnded(looked)
    revision = runner.settings.revision
    if revision and not any(file.startswith(f"{revision.tree}/") for file in looked.code.values()):
        named = ", ".join(sorted({name.partition(".")[0] for name in new.code})) or "none"
        raise DuetError(
            f"{asked}: both sides would run the same code, for the test imports nothing from the "
            f"working tree of that revision (modules of this repository that it imports: {named}). Install the project "
            "with `pip install -e .`, or put its folder on the path, such as `pythonpath = src` in the ini file."
        )


def describe(runner: ItemRunner, opened: Opened, ended: Ended, trials: Sequence[Trial]) -> Row:
    """Return the row of a test's trials, their times those of one call.

    :param opened: what a look at the test brought, as ``ended`` is.
    """
    assert runner.plan
    calls = runner.plan.calls_a_round
    own = tuple(_of_one_call(trial, calls) for trial in trials)
    row = Row(
        subject=runner.name,
        device=opened.device,
        metrics={},
        trials=own,
        conditions={
            "device": opened.device,
            "scheduling": opened.scheduling,
            "cores": opened.threads["cores"],
            "fixed layout": opened.threads["fixed layout"],
            "waits for devices": runner.sync,
            **({"shares its worker": True} if runner.shared else {}),
        },
        versions=dict(opened.versions),
        python=opened.python,
        code=imported(ended.code, runner.settings),
        disturbed_trials=sum(trial.disturbed for trial in own),
        repeated_attempts=sum(trial.attempt - 1 for trial in own),
        leak=leak_of(trials),
        counters=opened.declared.get("counters", {}),
    )
    source = memory_source(row) if runner.memory else ""
    found: dict[str, list[float | None]] = {
        "seconds": [trial.seconds for trial in own],
        MEMORY: [getattr(trial.memory, source) for trial in own] if source else [],
        "first_seconds": [trial.first_seconds for trial in own],
    }
    kept = {each.name: Measured.of(each, found[each.name], source if each.name == MEMORY else "") for each in DEFAULT}
    return replace(row, metrics=kept)


def imported(files: dict[str, str], settings: Settings) -> dict[str, str]:
    """Return where a project's outermost modules came from, as :class:`pytest_duet.record.row.Row` has it."""
    roots = {settings.project: ""}
    if settings.revision:
        roots = {settings.revision.tree: f"{settings.revision.name}:", **roots}
    found = {}
    for name, file in sorted(files.items()):
        root = next((root for root in roots if Path(file).is_relative_to(root)), "")
        if root and "." not in name:
            found[name] = f"{roots[root]}{Path(file).relative_to(root).as_posix()}"
    return found


def _of_one_call(trial: Trial, calls: int) -> Trial:
    """Return a trial whose times are those of a call; its rounds, pytest-benchmark's own record holds."""
    if trial.rounds:
        found = {name: getattr(trial, name) for name in OF_A_ROUND}
        trial = replace(trial, **{name: value / calls for name, value in found.items() if value is not None})
    return replace(trial, first_seconds=trial.build_seconds, build_seconds=None, rounds=())
