"""The gate as pytest sees it: a test for every cell, after the benchmarks whose figures it judges.

Every benchmark brings a test for each of its metrics, so that a regression is an ordinary failed test: exit code 1, a
paragraph with the figures, a case of its own in JUnit's XML. They are judged together, once, when the first of them
runs: how sure one must be depends on how many there are.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pytest_benchmark.storage.file import FileStorage
from pytest_benchmark.utils import get_tag

from benchmarks.frameworks import REGISTRY
from pytest_duet.errors import DuetError
from pytest_duet.judge.verdict import Cell, Verdict, void_where_accuracy_changed
from pytest_duet.plugin.storages import SafeStorage
from pytest_duet.record.metrics import ACCURACY, METRICS, read_margins

FAILS_ON = {Verdict.INCONCLUSIVE: "inconclusive", Verdict.MACHINE: "inconclusive", Verdict.MISSING: "missing"}


class Gate:
    """The plugin of one session.

    :param options: :class:`pytest_duet.plugin.gate_options.GateOptions`.
    :param config: pytest's.
    :param frameworks: the names that the session was asked for.
    """

    def __init__(self, options, config, frameworks):
        self.options, self.config, self.frameworks = options, config, frameworks
        self.fingerprint = None  # of the machine that was measured; None for this one
        self.machine = ""  # its name beside others
        self.rows = {}  # extra_info by node id
        self.names = {}  # pytest-benchmark's fullname by node id; it changes where a budget cuts the epochs
        self.outcomes = {}  # of the benchmarks that have no row: "failed" or "skipped", and why
        self.failed = 0  # tests, those of the gate left out
        self.own = set()  # the node ids of those
        self.interrupted = False
        self.margins = {}  # of every benchmark that was chosen, by node id
        self.framework_of = {}  # likewise
        self.cells = None
        self.findings = []  # what else there is to say of the baseline, a sentence each
        self.cautions = []  # and of the margins
        self.benchmarks_of_run = 0  # where this session runs a shard: how many all shards have
        self.narrowed = any("::" in argument for argument in config.args)  # to less than what is usually run

    def publish(self, item, name, row):
        """Take a benchmark's row, its ``extra_info``, as evidence."""
        self.rows[item.nodeid], self.names[item.nodeid] = row, name

    @property
    def _family(self):
        """How many benchmarks share the probability of a false alarm."""
        return max(len(self.margins), self.benchmarks_of_run)

    def wants_more(self, item, row):
        """Tell whether another paired trial may bring an answer that is still open."""
        from pytest_duet.judge.by_pairs import is_open

        return is_open(row, self.margins[item.nodeid], self._family, self.options.max_trials)

    def pytest_sessionstart(self):
        self.prepare_storage()

    def prepare_storage(self):
        """Have pytest-benchmark save through :class:`SafeStorage`, and save at all where history is judged by."""
        session = self.config._benchmarksession  # pytest-benchmark has no public way to its storage
        if isinstance(session.storage, FileStorage):
            storage = session.storage
            session.storage = SafeStorage(storage.path, storage.logger, storage.default_machine_id)
        elif self.options.history:
            raise pytest.UsageError("--gate: it needs runs in files, --benchmark-storage=file://DIR.")
        if self.options.history and not session.disabled:
            session.autosave = session.autosave or get_tag()

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # when -k and -m have chosen, and --ff has put failed tests first
    def pytest_collection_modifyitems(self, items):
        result = yield
        if self.options.active:
            self._add_cells(items)
        return result

    def _add_cells(self, items):
        benchmarks = self.take_on(items)
        if not benchmarks and not self.narrowed:
            raise pytest.UsageError("the gate has nothing to judge: no benchmark was collected. `pytest benchmarks`?")
        own = []
        for item in benchmarks:
            for metric in (ACCURACY, *METRICS):
                name = cell_name(item.name, metric)
                own.append(CellItem.from_parent(item.parent, name=name, gate=self, judged=(item.nodeid, metric)))
        self.caution_about_few_trials()
        if benchmarks and self.options.history:
            own.append(BaselineItem.from_parent(benchmarks[0].parent, name="gate:baseline", gate=self))
        self.own = {item.nodeid for item in own}
        items += own

    def take_on(self, items):
        """Learn the margins and the frameworks of those items that are benchmarks, and return them."""
        benchmarks = [item for item in items if is_benchmark(item)]
        try:
            self.margins = {item.nodeid: self._margins_of(item) for item in benchmarks}
        except DuetError as error:
            raise pytest.UsageError(str(error)) from None
        self.framework_of = {item.nodeid: item.callspec.params["framework"] for item in benchmarks}
        return benchmarks

    def caution_about_few_trials(self):
        """Say so where so many benchmarks ask for surer answers than ``--max-trials`` can give."""
        from pytest_duet.judge.by_pairs import can_answer

        if self.options.against and not can_answer(self._family, self.options.max_trials):
            self.cautions.append(
                f"--max-trials={self.options.max_trials} are too few for an answer on every metric of "
                f"{self._family} benchmarks: the more there are, the surer each must be."
            )

    def pytest_deselected(self, items):
        self.narrowed = self.narrowed or any(map(is_benchmark, items))

    def pytest_runtest_logreport(self, report):
        self.failed += report.failed and report.nodeid not in self.own  # what those say is in the verdicts
        if report.failed or report.skipped:
            text = report.longrepr[-1] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.outcomes.setdefault(report.nodeid, (report.outcome, text.strip().partition("\n")[0]))

    def pytest_keyboard_interrupt(self):  # also what pytest.exit() does
        self.interrupted = True

    def pytest_collectreport(self, report):
        self.failed += report.failed

    def outcome(self, node, metric):
        """Return how the test of a metric of benchmark ``node`` ends, in pytest's words, and what it says."""
        from pytest_duet.report.verdicts import paragraph

        cell = self._cell(node, metric)
        if cell.verdict is Verdict.REGRESSED or self.fails(cell.verdict):
            return "failed", paragraph(cell, self.options)
        if cell.verdict not in (Verdict.CLEAN, Verdict.IMPROVED):
            return "skipped", paragraph(cell, self.options)
        return "passed", ""

    def baseline_outcome(self):
        """Return how the test that nothing which history knows has gone missing ends, and what it says."""
        if self.cells is None:
            return "skipped", "nothing was judged"
        text = " ".join(self.findings)
        if not text:
            return "passed", ""
        return "failed" if "missing" in self.options.fail_on else "skipped", text

    def _cell(self, node, metric):
        """Return the :class:`Cell` of a benchmark's metric; all are judged when the first is asked for."""
        if self.cells is None:
            cells = self._judge()
            self.cells = {(cell.benchmark, cell.metric): cell for cell in cells}
            self.cautions += self._cautions(cells)
        return self.cells[self._name(node), metric]

    def _judge(self):
        sound = [node for node in self.margins if node in self.rows and node not in self.outcomes]
        rows = {self._name(node): self.rows[node] for node in sound}
        margins = {self._name(node): margins for node, margins in self.margins.items()}
        if self.options.against:
            from pytest_duet.judge.by_pairs import judge_session

            cells = judge_session(rows, margins.__getitem__, self.options.max_trials, self._family)
        else:
            cells = self._judge_by_history(rows, margins)
        others = [node for node in self.margins if node not in sound]
        cells += [self._without_row(node, metric) for node in others for metric in (ACCURACY, *METRICS)]
        return void_where_accuracy_changed(cells)

    def _judge_by_history(self, rows, margins):
        from pytest_duet.judge.by_history import judge_session
        from pytest_duet.record.history import History

        history = History(self.config._benchmarksession.storage.path)
        found = history.look_back(rows, self._fingerprint(), self.options.window, self.options.aliases)
        self.findings = found.findings(self._was_asked, margins)
        share = len(margins) / self._family
        return judge_session(rows, margins.__getitem__, found, self.options.min_runs, share)

    def _fingerprint(self):
        from pytest_duet.sensors.fingerprint import fingerprint

        return self.fingerprint or fingerprint()

    def _cautions(self, cells):
        from pytest_duet.judge import calibration

        storage = getattr(self.config._benchmarksession.storage, "path", None)
        mode = "against" if self.options.against else "history"
        return calibration.cautions(cells, calibration.load(storage, self._fingerprint(), mode)) if storage else []

    def _was_asked(self, framework):
        return not self.narrowed and (framework in self.frameworks or framework not in REGISTRY)

    def _without_row(self, node, metric):
        outcome, why = self.outcomes.get(node, ("did not run", "the gate can judge nothing"))
        verdict = Verdict.MISSING if outcome == "skipped" else Verdict.VOID
        note = f"the benchmark itself {outcome}: {why}"
        return Cell(self._name(node), self.framework_of[node], metric, verdict, note=note)

    def _name(self, node):
        return self.names.get(node, node)

    def default_margins(self):
        """Return the margins of a benchmark that sets none of its own."""
        return read_margins(self.options.margin_texts, self.options.margins, "--gate-margin")

    def _margins_of(self, item):
        margins = self.options.margins
        for marker in reversed(list(item.iter_markers("gate"))):  # the closest one last: it has the last word
            texts = [f"{metric}={margin}" for metric, margin in marker.kwargs.items()]
            margins = read_margins(texts, margins, f"{item.nodeid}, marker gate:")
        return read_margins(self.options.margin_texts, margins, "--gate-margin")

    def fails(self, verdict):
        """Tell whether a verdict other than "regressed" fails the run."""
        return FAILS_ON.get(verdict) in self.options.fail_on

    def pytest_benchmark_update_json(self, output_json):
        from pytest_duet.report.verdicts import as_json

        output_json["gate"] = as_json(self)

    @property
    def _has_judged(self):
        return self.options.active and not self.config.option.collectonly

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter):
        if self._has_judged:
            from pytest_duet.report import verdicts

            verdicts.show(terminalreporter, self)

    def pytest_sessionfinish(self):  # not with the summary in the terminal, which may be off
        if not self._has_judged:
            return
        from pytest_duet.report import verdicts

        if self.options.json:
            verdicts.write_json(self, self.options.json)
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(verdicts.markdown(self))


class CellItem(pytest.Item):
    """The test of one metric of one benchmark."""

    def __init__(self, *, gate, judged, **kwargs):
        super().__init__(**kwargs)
        self.gate, self.judged = gate, judged

    def runtest(self):
        end_as(*self.gate.outcome(*self.judged))

    def reportinfo(self):
        return self.path, 0, self.name


class BaselineItem(pytest.Item):
    """The test that nothing which history knows has gone missing."""

    def __init__(self, *, gate, **kwargs):
        super().__init__(**kwargs)
        self.gate = gate

    def runtest(self):
        end_as(*self.gate.baseline_outcome())

    def reportinfo(self):
        return self.path, 0, self.name


def end_as(outcome, text):
    """End a test in one of pytest's ways."""
    if outcome == "failed":
        pytest.fail(text, pytrace=False)
    if outcome == "skipped":
        raise pytest.skip.Exception(text, _use_item_location=True)


def cell_name(benchmark, metric):
    """Return the name, or the node id, of the test of a benchmark's metric: ``test.METRIC[framework]``."""
    function, bracket, parameters = benchmark.partition("[")
    return f"{function}.{metric}{bracket}{parameters}"


def is_benchmark(item):
    """Tell whether an item is one of the suite's benchmarks."""
    return "trainer" in getattr(item, "fixturenames", ())
