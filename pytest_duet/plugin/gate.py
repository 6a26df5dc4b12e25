"""The gate as pytest sees it: a test for every benchmark, after all those whose figures it judges.

Every benchmark brings one test, of all its metrics, so that a regression is an ordinary failed test: exit code 1, a
paragraph with the figures, a case of its own in JUnit's XML. They are judged together, once, when the first of them
runs: how sure one must be depends on how many there are.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from pytest_duet.errors import DuetError
from pytest_duet.judge.verdict import Family
from pytest_duet.plugin import compat, gate_output, judging, outcomes
from pytest_duet.plugin.budget import Budget
from pytest_duet.plugin.gate_items import gate_items
from pytest_duet.plugin.gate_options import GateOptions
from pytest_duet.plugin.marker import is_benchmark, is_plain_benchmark, subject_of
from pytest_duet.plugin.progress import Progress
from pytest_duet.plugin.recording import use_safe_storage
from pytest_duet.plugin.settling import Measure, Settling
from pytest_duet.record import calibrations
from pytest_duet.record.calibrations import Calibrated
from pytest_duet.record.comparison import Comparison
from pytest_duet.record.history import History
from pytest_duet.record.lookback import Lookback
from pytest_duet.record.margins import Margin
from pytest_duet.record.metrics import Metric
from pytest_duet.record.row import Row
from pytest_duet.record.saved_run import GateRecord
from pytest_duet.sensors.fingerprint import fingerprint


class Gate:
    """The plugin of one session; it also keeps what the benchmarks published where nothing is judged."""

    def __init__(self, options: GateOptions, config: pytest.Config) -> None:
        self.options, self.config = options, config
        self.metrics = dict(options.metrics)  # what is compared, by name; later also what single tests tell
        self.fingerprint: dict[str, Any] | None = None  # of the machine that was measured; None for this one
        self.machine = ""  # its name beside others
        self.rows: dict[str, Row] = {}  # by node id; of paired trials, also those that are not all run yet
        self.extras: dict[str, dict[str, Any]] = {}  # of those that are complete, the extra_info that each stands in
        self.records: dict[str, dict[str, Any]] = {}  # pytest-benchmark's of what workers measured, by node id
        self.names: dict[str, str] = {}  # pytest-benchmark's fullname by node id; a benchmark may be renamed as it runs
        self.outcomes: dict[str, tuple[str, str]] = {}  # of tests without a row: "failed" or "skipped", and why
        self.failed = 0  # tests, those of the gate left out
        self.own: set[str] = set()  # the node ids of those
        self.interrupted = False
        self.margins: dict[str, dict[str, Margin]] = {}  # of every benchmark that was chosen, by node id
        self.subjects: dict[str, str] = {}  # likewise
        self.comparisons: dict[tuple[str, str], Comparison] | None = None  # by benchmark and metric, once judged
        self.findings: list[str] = []  # what else there is to say of the baseline, a sentence each
        self.cautions: list[str] = []  # and of the margins
        self.benchmarks_of_run = 0  # where this session runs a shard: how many all shards have
        self.budget: Budget | None = None
        self.narrowed = any("::" in argument for argument in config.args)  # to less than what is usually run

    def publish(self, node: str, name: str, row: Row, extra_info: dict[str, Any]) -> None:
        """Take a benchmark's row as evidence."""
        self.rows[node], self.names[node], self.extras[node] = row, name, extra_info

    def take_own(self, node: str, metrics: Iterable[Metric]) -> None:
        """Learn the metrics that a benchmark alone has, once it has told them.

        :raises DuetError: where another benchmark has told something else by the same name.
        """
        for metric in metrics:
            known = self.metrics.setdefault(metric.name, metric)
            if (known.unit, known.better) != (metric.unit, metric.better):
                raise DuetError(
                    f"{node.rpartition('::')[2]}: its metric {metric.name} is in {metric.unit!r}, {metric.better} is "
                    f"better; another test's is in {known.unit!r}, {known.better} is better. Give one of them another "
                    "name."
                )
            self.margins[node][metric.name] = metric.against if self.options.against else metric.history

    @property
    def family(self) -> Family:
        """The comparisons that share the probability of a false alarm."""
        margins = {self.name_of(node): margins for node, margins in self.margins.items()}
        alpha = {} if self.options.alpha is None else {"total": self.options.alpha, "clean_error": self.options.alpha}
        return Family(self.metrics, margins, max(len(margins), self.benchmarks_of_run), self.options.error, **alpha)

    def rename(self, node: str, name: str) -> None:
        """Learn that a benchmark measures something else than was asked for, by pytest-benchmark's fullname."""
        self.names[node] = name

    def measure_again(self, item: pytest.Item, row: Row, measure: Measure, repository: str | None = None) -> Row:
        """Return the row, with what was measured again where history leaves its time open.

        :param repository: the project's whose revisions are run; None for this package's own.
        """
        storage, name = compat.storage_folder(self.config), self.name_of(item.nodeid)
        if not (storage and self.options.history and self.options.settle):
            return row
        return self.settling.measure_again(name, row, self.look_back({name: row}), measure, repository)

    # What pytest tells, before and while the tests run

    def pytest_sessionstart(self) -> None:
        use_safe_storage(self.config, must_save=self.options.history)

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # when -k and -m have chosen, and --ff has put failed tests first
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, object, object]:
        result = yield
        benchmarks = self.take_on(items)
        if self.options.active:
            items += self._comparisons(benchmarks)
        return result

    def take_on(self, items: Iterable[pytest.Item]) -> list[pytest.Item]:
        """Learn the margins and the subjects of those items that are benchmarks, and return them."""
        benchmarks = [item for item in items if is_benchmark(item)]
        try:
            self.margins = {item.nodeid: self._margins_of(item) for item in benchmarks}
            self.options.check_named(self.margins)
        except DuetError as error:
            raise pytest.UsageError(str(error)) from None
        self.subjects = {item.nodeid: subject_of(item) for item in benchmarks}
        if self.options.budget_seconds is not None:
            self.budget = Budget(self.options.budget_seconds, self.subjects)
        return benchmarks

    def _margins_of(self, item: pytest.Item) -> dict[str, Margin]:
        return self.options.margins_of(item.nodeid, item.iter_markers("gate"), is_plain_benchmark(item))

    def expected(self, node: str) -> list[str]:
        """Return the metrics that a benchmark is compared by, whatever it tells; its own are known once it does."""
        its = {name for name in self.margins[node] if not self.metrics[name].own}
        of_suite = its <= self.options.suite
        return [name for name, metric in self.metrics.items() if name in its or (metric.exact and of_suite)]

    def _comparisons(self, benchmarks: list[pytest.Item]) -> list[pytest.Item]:
        if not benchmarks and not self.narrowed and not self.failed:
            if compat.is_disabled(self.config):
                raise pytest.UsageError(
                    "the gate has nothing to judge: --benchmark-disable. --benchmark-enable revokes it."
                )
            raise pytest.UsageError(
                "the gate has nothing to judge: no test was collected that calls `benchmark`, or carries the marker "
                "duet."
            )
        self.cautions += judging.too_few_trials(self)
        baseline = self.baseline_outcome if self.options.history else None
        own = gate_items(benchmarks, self.outcome, baseline)
        self.own = {item.nodeid for item in own}
        return own

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        self.narrowed = self.narrowed or any(map(is_benchmark, items))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.begin([item.nodeid])

    def begin(self, nodes: Iterable[str]) -> None:
        """Have the time count that these benchmarks may take."""
        if self.budget:
            self.budget.begin(*nodes)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed += report.failed and report.nodeid not in self.own  # what those say is in the verdicts
        if report.failed or report.skipped:
            self.outcomes.setdefault(report.nodeid, (report.outcome, gate_output.reason(report)))

    def pytest_keyboard_interrupt(self) -> None:  # also what pytest.exit() does
        self.interrupted = True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.failed += report.failed

    # The verdicts

    def outcome(self, node: str) -> tuple[str, str]:
        """Return how the test of benchmark ``node``'s verdicts ends, in pytest's words, and what it says."""
        return outcomes.outcome(self._comparisons_of(node), self.options.fail_on, self.record())

    @property
    def undecided(self) -> int:
        """How many of the failed tests failed for nothing but comparisons that stayed open."""
        return outcomes.undecided((self.comparisons or {}).values(), self.options.fail_on)

    def baseline_outcome(self) -> tuple[str, str]:
        """Return, likewise, how the test ends that nothing which history knows has gone missing."""
        if self.comparisons is None:
            return "skipped", "nothing was judged"
        if not self.findings:
            return "passed", ""
        return "failed" if "missing" in self.options.fail_on else "skipped", " ".join(self.findings)

    def _comparisons_of(self, node: str) -> list[Comparison]:
        """Return the verdicts on a benchmark's metrics; all are judged when the first is asked for."""
        if self.comparisons is None:
            self.comparisons = self._judged()
        return [one for one in self.comparisons.values() if one.benchmark == self.name_of(node)]

    def _judged(self, stopped: bool = False) -> dict[tuple[str, str], Comparison]:
        """Judge what was measured; until somebody stopped the session, also the started benchmark's paired trials."""
        found = judging.judge_session(self)
        self.findings = found.findings
        self.cautions += found.cautions
        measured = set(map(self.name_of, self.rows))
        if stopped:
            self.cautions.append("The session was stopped: these are the verdicts on what it had measured until then.")
        kept = [one for one in found.comparisons if one.benchmark in measured or not stopped]
        return {(one.benchmark, one.metric): one for one in kept}

    def look_back(self, rows: dict[str, Row]) -> Lookback:
        """Return what history knows of these benchmarks, by their fullnames."""
        return History(self._storage).look_back(rows, self.its_machine(), self.options.window, self.options.aliases)

    @property
    def _storage(self) -> Path:
        storage = compat.storage_folder(self.config)
        assert storage  # use_safe_storage() has seen to it
        return storage

    @property
    def settling(self) -> Settling:
        calibrated = calibrations.load(self._storage, self.its_machine(), "against")
        say = Progress(self.config).say
        return Settling(self._storage, self.family, self.options.max_trials, calibrated, self.budget, say)

    def its_machine(self) -> dict[str, Any]:
        return self.fingerprint or dict(fingerprint())

    def calibrated(self, rows: dict[str, Row]) -> dict[tuple[str, str], Calibrated]:
        """Return what unchanged code did on this machine, by benchmark and metric."""
        return calibrations.of_rows(self._calibrated, rows)

    @cached_property
    def _calibrated(self) -> list[Calibrated]:
        storage = compat.storage_folder(self.config)
        return calibrations.load(storage, self.its_machine(), self.options.mode) if storage else []

    def was_asked(self, subject: str, name: str) -> bool:
        """Tell whether this session was to measure a subject, had its benchmark of that name still been there."""
        if self.narrowed or any(argument.endswith(".py") for argument in self.config.args):
            return False
        asked = self.config.hook.pytest_duet_asked(config=self.config, subject=subject, name=name)
        return asked is None or bool(asked)

    def name_of(self, node: str) -> str:
        """Return pytest-benchmark's fullname of a benchmark."""
        return self.names.get(node, node)

    # Where they are written

    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        output_json["gate"] = self.record().as_json()
        output_json["answers"] = [answer.as_json() for answer in gate_output.answers_of(self)]

    def record(self) -> GateRecord:
        """Return what is kept of the verdicts."""
        options = self.options
        expected = {name for node in self.margins for name in self.expected(node)}
        return GateRecord(
            mode=options.mode if options.active else None,
            against=options.against,
            max_trials=options.max_trials if options.against else None,
            failed_tests=self.failed,
            interrupted=self.interrupted,
            comparisons=tuple((self.comparisons or {}).values()),
            findings=tuple(self.findings),
            cautions=tuple(self.cautions),
            metrics={name: metric for name, metric in self.metrics.items() if metric.own or name in expected},
        )

    @property
    def _has_judged(self) -> bool:
        return self.options.active and not self.config.getoption("collectonly")

    @pytest.hookimpl(trylast=True)  # after pytest-benchmark's own table
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        self.show(terminalreporter, list(self.extras))

    def show(self, terminalreporter: pytest.TerminalReporter, nodes: Iterable[str]) -> None:
        """Show the rows of these benchmarks in the suite's tables, and the verdicts, if any."""
        gate_output.show(self, terminalreporter, nodes, with_verdicts=self._has_judged)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.finish()
        gate_output.set_exit_code(session, [self])

    def finish(self) -> None:  # not with the summary in the terminal, which may be off
        """Write what the gate says, also where the session was stopped."""
        if not self._has_judged:
            return
        if self.interrupted and self.comparisons is None and self.rows:
            self.comparisons = self._judged(stopped=True)
        gate_output.write(self)
