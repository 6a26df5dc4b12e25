"""Takes the place of tests that call ``benchmark``, in a session that repeats or judges them: each runs in workers.

In this process such a test is collected and reported, and never run. Its reports are those of a worker, so that what
failed has its own traceback, and what was skipped its own reason.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property, partial
from math import isfinite, log
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pytest_duet
from pytest_duet.errors import DuetError
from pytest_duet.plugin import compat, judging
from pytest_duet.plugin.board import Board
from pytest_duet.plugin.items.inner_session import waits
from pytest_duet.plugin.items.measuring import ItemEntrant, PairedItem
from pytest_duet.plugin.items.own_metrics import OwnMetric, from_settings
from pytest_duet.plugin.items.plan import ROUND_SECONDS
from pytest_duet.plugin.items.runner import ItemEnded, ItemRunner
from pytest_duet.plugin.items.settings import Settings
from pytest_duet.plugin.items.sharing import Shared, groups
from pytest_duet.plugin.marker import is_benchmark, is_plain_benchmark, marked, subject_of
from pytest_duet.plugin.progress import Progress
from pytest_duet.plugin.session import GATE, SLOT
from pytest_duet.record.margins import USUAL
from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.trials.other_side import Other, open_other
from pytest_duet.trials.rounds import Rounds

if TYPE_CHECKING:
    from pytest_duet.record.row import Row

Sampling = Callable[[], MemorySampler]
PAIR_SECONDS = 2.5  # that a paired trial of a short test takes: two starts, and the turns
TRIALS = 5  # of a test in a session that judges it
# What folders of tests are called: what helps the tests there is part of them.
TESTS_FOLDER = re.compile(r"^(tests?|testing|bench|benches|benchmarks?|perf|performance)$|_(tests?|bench(marks?)?)$")


class IsolatedItems:
    """The plugin of one session.

    :param trials: of each test, where it takes no turns.
    """

    def __init__(self, config: pytest.Config, trials: int) -> None:
        self._config, self._trials = config, trials
        self._gate = config.stash[GATE]
        self._items: dict[str, pytest.Item] = {}
        self._groups: dict[str, list[pytest.Item]] = {}  # who shares workers with whom, by node id
        self._paired: dict[str, Rounds[str, PairedItem]] = {}  # by node id
        self._shared: dict[str, Shared] = {}  # by the node id of the first of a group
        self._turns: dict[str, tuple[ItemEntrant, Row | DuetError]] = {}  # paired trials that nobody asked for yet
        self._open = ExitStack()
        self._predicted = False
        self._new = self._other = Other("")  # of a session that takes turns

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        if is_plain_benchmark(item):
            if item.get_closest_marker("duet") is None:  # its own, or its class's, has more to say
                item.add_marker(pytest.mark.duet)
            compat.without_timeout(item)

    @pytest.hookimpl(trylast=True)  # when -k and -m have chosen
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self._items = {item.nodeid: item for item in items if is_plain_benchmark(item) and is_benchmark(item)}
        try:
            found = [[each] for each in self._items.values()] if self._elsewhere else groups(self._items.values())
            self._groups = {each.nodeid: group for group in found for each in group}
        except DuetError as error:
            raise pytest.UsageError(str(error)) from None
        if self._items and self._gate.options.against and not self._config.getoption("collectonly"):
            try:  # where there is no such side, nobody is to measure anything first
                asked = self._gate.options
                self._other = self._open.enter_context(open_other(asked.against, self._project))
                self._new = self._open.enter_context(open_other(asked.new, self._project, "--new"))
            except DuetError as error:
                raise pytest.UsageError(str(error)) from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        if item.nodeid not in self._items:
            return None
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        told: Any = self._config.pluginmanager.get_plugin("duet-worker")  # where a controller wants to know
        for report in self._reports(item):
            if told:
                told.tell(item, report)
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_sessionfinish(self) -> None:
        for shared in self._shared.values():
            try:
                shared.close()
            except DuetError as error:
                self._gate.cautions.append(str(error))
        self._open.close()

    def _reports(self, item: pytest.Item) -> list[pytest.TestReport]:
        """Measure a test, and return what is to be reported of it."""
        for name in ("duet-lock", "duet-gate"):  # as before any other benchmark
            plugin: Any = self._config.pluginmanager.get_plugin(name)
            if plugin:
                plugin.pytest_runtest_setup(item)
        try:
            plain = self._measure(item)
        except ItemEnded as error:
            plain = error.ended.reports
            if not error.ended.measured and all(each["outcome"] == "passed" for each in plain):
                self._gate.outcomes[item.nodeid] = ("passed", "it never called `benchmark`")
        except DuetError as error:
            return [_failed(item, str(error))]
        finally:
            self._progress.clear()
        return [self._revived(each) for each in plain]

    def _revived(self, plain: dict[str, Any]) -> pytest.TestReport:
        """Return the report of which a worker told; JSON has no tuples, and pytest insists on some."""
        its = dict(plain, location=tuple(plain["location"]), sections=list(map(tuple, plain["sections"])))
        its["user_properties"] = list(map(tuple, plain["user_properties"]))
        if isinstance(plain["longrepr"], list):
            its["longrepr"] = tuple(plain["longrepr"])
        report: pytest.TestReport = self._config.hook.pytest_report_from_serializable(config=self._config, data=its)
        return report

    def _measure(self, item: pytest.Item) -> list[dict[str, Any]]:
        """Publish a test's row, and return pytest's reports of it, as plain values."""
        if self._gate.options.against:
            self._predict()
            its: ItemEntrant = (paired := self._beside(item))
            row = paired.row
        else:
            its = self._in_rounds.of(item.nodeid)
            row = self._gate.measure_again(item, its.described(), its.beside, self._project)
        self._publish(item, its, row)
        return its.ended.reports

    def _beside(self, item: pytest.Item) -> PairedItem:
        """Return a test once it has its paired trials: those of its group have theirs together, in rounds."""
        nodes = [each.nodeid for each in self._groups[item.nodeid]]
        if len(nodes) == 1 and not self._elsewhere:
            nodes = [node for node in self._items if len(self._groups[node]) == 1]
        rounds = self._paired.get(item.nodeid) or self._pair_up(nodes, item.session)
        try:
            return rounds.of(item.nodeid)
        finally:
            if nodes[0] in self._shared:
                self._shared[nodes[0]].close()

    def _pair_up(self, nodes: list[str], session: pytest.Session) -> Rounds[str, PairedItem]:
        board = Board(self._progress, nodes, None)
        entrants = {
            node: PairedItem(*self._told(self._items[node], board), new=self._new, other=self._other) for node in nodes
        }
        self._gate.begin(nodes)
        rounds = Rounds(
            entrants,
            self._gate.options.max_trials,
            worth_more=lambda nodes: judging.worth_more(self._gate, {node: entrants[node].row for node in nodes}),
            watcher=board,
            stop=partial(setattr, session, "shouldstop", "interrupted: what had trials by then is shown"),
            stop_at_failure=self._config.getoption("maxfail") == 1,
        )
        self._paired |= dict.fromkeys(nodes, rounds)
        return rounds

    def _predict(self) -> None:
        """Say before all measuring what it may take, where somebody would wonder."""
        minutes = judging.seconds_to_come(self._gate, PAIR_SECONDS) / 60
        if not self._predicted and minutes >= 2:
            self._progress.say(
                f"{len(self._items)} tests take turns: some {minutes:.0f} minutes, or what --budget allows"
            )
        self._predicted = True

    def _publish(self, item: pytest.Item, its: ItemEntrant, row: Row) -> None:
        record = dict(its.taken.records[-1] or {})
        record.pop("duet_metrics", None)
        extra_info = dict(record.pop("extra_info", {}), duet=row.as_json())
        record["stats"] = dict(record["stats"], data=its.seconds())
        if self._gate.options.against:
            record["group"] = record.get("group") or f"taking turns with {self._gate.options.against}"
        self._gate.take_own(item.nodeid, its.own_metrics())
        self._gate.publish(item.nodeid, record["fullname"], row, extra_info)
        self._gate.records[item.nodeid] = record
        compat.add_record(self._config, compat.record_from_json(record, extra_info))

    @cached_property
    def _in_rounds(self) -> Rounds[str, ItemEntrant]:
        """The trials of all tests: a machine has moods of tens of seconds, and none is to have one to itself."""
        board = Board(self._progress, list(self._items), self._trials)
        return Rounds(
            {name: ItemEntrant(*self._told(item, board)) for name, item in self._items.items()},
            self._trials,
            together=not self._elsewhere,
            watcher=board,
            stop_at_failure=self._config.getoption("maxfail") == 1,
        )

    def _told(self, item: pytest.Item, board: Board) -> tuple[ItemRunner, Sampling, dict[str, OwnMetric], float]:
        """Return what :class:`ItemEntrant` is to know."""
        group = self._groups[item.nodeid]
        turn = self._config.getoption("duet_turn_seconds")
        runner = ItemRunner(
            name=subject_of(item),
            nodeid=item.nodeid,
            settings=Settings.of(self._config, group, self._project, self._tests),
            exposed=self._exposed,
            sync=waits(item),
            stop=bool(marked(item, "stop", True)),
            memory=bool(marked(item, "memory", True)),
            progress=partial(board.tell, item.nodeid),
            slot=self._config.stash[SLOT],
            max_foreign_cores=self._config.getoption("duet_max_foreign_cores"),
            timeout_seconds=self._config.getoption("duet_timeout"),
            round_seconds=turn if turn and isfinite(turn) else ROUND_SECONDS,
            shared=self._shared.setdefault(group[0].nodeid, Shared()) if len(group) > 1 else None,
        )
        margins = self._gate.margins[item.nodeid]
        share = next((margins[name].share for name in margins if self._gate.metrics[name].turns), USUAL.share)
        return runner, self._sampler, self._declared, log(1 + share)

    @property
    def _elsewhere(self) -> bool:
        """Whether other workers of pytest-xdist run some of these tests."""
        slot = self._config.stash[SLOT]
        return slot is not None and slot.workers > 1

    @cached_property
    def _declared(self) -> dict[str, OwnMetric]:
        return from_settings(self._config.getini("duet_metrics"))

    @cached_property
    def _progress(self) -> Progress:
        return Progress(self._config)

    @cached_property
    def _sampler(self) -> Sampling:
        from pytest_duet.sensors.energy import idle_watts
        from pytest_duet.sensors.gpu import find_gpu

        gpu = find_gpu()
        return partial(MemorySampler, gpu, idle_watts=idle_watts(gpu) if gpu else None)

    @cached_property
    def _project(self) -> str:
        """The folder of the repository that the tests belong to; pytest's root folder where there is none."""
        root = self._config.rootpath.resolve()
        return str(next((each for each in (root, *root.parents) if (each / ".git").exists()), root))

    @cached_property
    def _tests(self) -> list[str]:
        """Files and folders of today's tests: the former alone where they lie in a root folder of the project.

        Where the project is the plugin's own, that is today's as well: it measures both sides.
        """
        own = Path(pytest_duet.__file__).resolve().parent
        measuring = {own} if Path(self._project) in own.parents else set()
        if given := self._config.getini("duet_tests"):
            matching = {path.resolve() for each in given for path in self._config.rootpath.glob(each)}
            return sorted(map(str, matching | measuring))
        roots = {self._config.rootpath.resolve(), self._config.invocation_params.dir.resolve(), Path(self._project)}
        found = set()
        for file in {item.path.resolve() for item in self._items.values()}:
            above = [each for each in file.parents if each not in roots and Path(self._project) in each.parents]
            named = [each for each in above if TESTS_FOLDER.search(each.name)]
            found |= {file, *above[:1], *named}
        return sorted(map(str, found | measuring))

    @cached_property
    def _exposed(self) -> str:
        """A folder that holds the package alone, to go on the path of any interpreter."""
        folder = self._open.enter_context(tempfile.TemporaryDirectory(prefix="duet-", ignore_cleanup_errors=True))
        os.symlink(Path(pytest_duet.__file__).parent, Path(folder) / "pytest_duet")
        return folder


def _failed(item: pytest.Item, text: str) -> pytest.TestReport:
    """Return the report of a test that could not be measured, in one paragraph."""
    return pytest.TestReport(item.nodeid, item.location, {item.name: 1}, "failed", text, "call")
