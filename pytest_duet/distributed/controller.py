"""The controller's side of a distributed session: it gathers every machine's rows, saves them, and judges once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_benchmark.session import BenchmarkSession
from xdist.dsession import Interrupted

from benchmarks.report import session_tables
from pytest_duet.distributed import reach
from pytest_duet.distributed.losses import let_machines_go
from pytest_duet.distributed.machine_run import Machine, beside, on_machine
from pytest_duet.distributed.plan import INPUT, make_plan
from pytest_duet.distributed.worker_side import keep_enabled
from pytest_duet.errors import DuetError
from pytest_duet.plugin.gate import Gate, cell_name
from pytest_duet.plugin.session_report import SessionReport
from pytest_duet.record.metrics import ACCURACY, METRICS


class Controller:
    """The plugin.

    :param config: pytest's.
    :param options: :class:`benchmarks.options.Options`.
    :param gate_options: :class:`pytest_duet.plugin.gate_options.GateOptions`.
    :raises DuetError: where what is asked for cannot be.
    """

    def __init__(self, config, options, gate_options):
        self.config, self.options = config, options
        if config.getoption("shard"):
            raise DuetError("--shard and xdist's workers: choose one. A GPU each for several shards does the same.")
        self.plan = make_plan(config)
        self.frameworks = list(options.entries)
        self.machines = {name: self._machine(name, gate_options) for name in self.plan.machines}
        self.machine = next(iter(self.machines.values()))  # whose run is being saved
        self._names = {}  # of machines, by execnet's id of their worker
        self._slots = {}  # that are taken, likewise
        if self.plan.slots:
            return
        if (gate_options.against or "").startswith("git:"):
            raise DuetError(
                "--against=git: other machines get the suite's files and not its repository, so there is no other "
                "revision. Take turns with an environment of theirs, or run it on each machine by itself."
            )
        if config.getoption("benchmark_compare"):
            raise DuetError(
                "--benchmark-compare: it goes by names alone, and so would compare one machine with another. Use "
                "--gate, which knows each machine's own history, or `pytest-benchmark compare` on its saved runs."
            )

    def _machine(self, name, options):
        gate = Gate(replace(options, json=beside(options.json, name)), self.config, self.frameworks)
        gate.machine = name
        path = beside(self.config.getoption("report"), name)
        return Machine(name, gate, SessionReport(self.config, path) if path else None)

    # Before the workers start

    def pytest_sessionstart(self, session):
        self.session = session
        keep_enabled(self.config._benchmarksession, self.config)
        self.machine.gate.prepare_storage()
        if self.plan.slots:
            self._prepare()
        else:
            let_machines_go(self.config.pluginmanager.get_plugin("dsession"))
            try:
                reach.send_suite_along(self.config)
            except DuetError as error:
                raise pytest.UsageError(str(error)) from None

    def _prepare(self):
        """Fetch the data set and train the oracle, if need be, once and not in every worker.

        If something is wrong with them, the workers will say.
        """
        from benchmarks.workload import dataset, mnist
        from benchmarks.workload.oracle import trajectory

        with suppress(DuetError):
            directory = self.options.find_data(self._say)
            if self.options.epoch_budget is None:  # else the epochs may be cut
                data = mnist.load(directory) if directory else dataset.synthetic()
                trajectory(self.options.workload, data, self._say)

    def _say(self, text):
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if terminal:
            terminal.write_line(text)

    @pytest.hookimpl(tryfirst=True)
    def pytest_xdist_setupnodes(self, specs):
        if self.plan.slots:
            return
        with ThreadPoolExecutor(len(specs)) as pool:
            troubles = list(pool.map(reach.prepare, specs))
        for spec, name, trouble in zip(list(specs), self.plan.machines, troubles):
            self._names[spec.id] = name
            if trouble:
                self.machines[name].trouble = trouble
                specs.remove(spec)
        # What xdist counts its workers by is the option.
        self.config.option.tx = [tx for tx, m in zip(self.config.option.tx, self.machines.values()) if not m.trouble]
        if not specs:
            raise pytest.UsageError(" ".join(f"{m.name}: {m.trouble}" for m in self.machines.values()))

    def pytest_configure_node(self, node):
        slot = None
        if self.plan.slots:
            taken = self._slots.values()
            slot = next(slot for slot in self.plan.slots if slot not in taken)
            self._slots[node.gateway.id] = slot
        node.workerinput[INPUT] = {"slot": slot and slot.as_dict()}

    # While they run

    def pytest_xdist_node_collection_finished(self, node, ids):
        self._machine_of(node).plan(ids, self.frameworks)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        if hasattr(report, "node"):
            machine = self._machine_of(report.node)
            machine.take(report)
            report.nodeid = on_machine(report.nodeid, machine.name)  # for whoever comes next

    def pytest_collectreport(self, report):
        for machine in self.machines.values():
            machine.gate.pytest_collectreport(report)

    def pytest_testnodedown(self, node, error):
        self._slots.pop(node.gateway.id, None)
        machine = self._machine_of(node)
        if error and not (self.plan.slots and machine.planned):  # another worker takes over here
            doing = "measured" if machine.planned else "started"
            machine.trouble = f"it went while it {doing} ({last_line(error)})"

    def pytest_keyboard_interrupt(self):
        for machine in self.machines.values():
            machine.gate.interrupted = True

    def _machine_of(self, node):
        return self.machines[self._names.get(node.gateway.id, self.plan.machines[0])]

    # When they are done

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session):
        try:
            result = yield
        except Interrupted as error:
            if self.config.getoption("maxfail"):
                raise session.Failed(str(error)) from None  # as without xdist: tests failed, nobody interrupted
            raise
        for machine in self.machines.values():
            self._name_what_is_lost(machine)
            if machine.gate.options.active:
                self._judge(machine)
        return result

    def _name_what_is_lost(self, machine):
        nodes = machine.lost
        if machine.trouble and not machine.planned:
            nodes = [f"benchmarks::{machine.name or 'workers'}"]
        for node in nodes:
            text = f"{machine.name or 'the worker'} did not run this: {machine.trouble or 'it was stopped'}."
            machine.gate.outcomes.setdefault(node, ("failed", text))
            machine.gate.failed += 1
            self._report(machine, node, "failed", text)

    def _judge(self, machine):
        gate = machine.gate
        gate.caution_about_few_trials()
        for node in list(gate.margins):
            for metric in (ACCURACY, *METRICS):
                self._report(machine, cell_name(node, metric), *gate.outcome(node, metric))
        if gate.options.history and machine.rows:
            path = next(iter(gate.margins)).partition("::")[0]
            self._report(machine, f"{path}::gate:baseline", *gate.baseline_outcome())

    def _report(self, machine, node, outcome, text):
        """Have pytest count a test that ran nowhere, as it would have if it had run here."""
        node = on_machine(node, machine.name)
        self.session.testscollected += 1
        location = (node.partition("::")[0], 0, node.partition("::")[2])
        for when in ("setup", "call", "teardown"):
            ended = outcome if when == "call" else "passed"
            said = None
            if ended != "passed":
                said = text if ended == "failed" else (location[0], 1, f"Skipped: {text}")
            report = pytest.TestReport(node, location, {}, ended, said, when)
            self.config.hook.pytest_runtest_logreport(report=report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest-benchmark saves
    def pytest_sessionfinish(self, session):
        benchmarks = self.config._benchmarksession
        json = benchmarks.json
        for machine in self.machines.values():
            self.machine = machine
            benchmarks.storage.default_machine_id = machine.folder or benchmarks.machine_id
            benchmarks.benchmarks, benchmarks.json = machine.benchmarks, beside(json, machine.name)
            if machine.benchmarks:
                BenchmarkSession.handle_saving(benchmarks)
            machine.gate.pytest_sessionfinish()
            if machine.report:
                machine.report.pytest_sessionfinish()
            for record in machine.benchmarks if machine.name else ():
                record.group = f"{record.group}, {machine.name}"  # in pytest-benchmark's table
        benchmarks.json = benchmarks.save = benchmarks.autosave = None
        benchmarks.benchmarks = [record for machine in self.machines.values() for record in machine.benchmarks]
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter):
        for machine in self.machines.values():
            csv = self.options.results_csv and Path(self.options.results_csv) / machine.name
            session_tables.show(terminalreporter, machine.rows, csv, machine.name)
            machine.gate.pytest_terminal_summary(terminalreporter)
            if machine.report:
                machine.report.pytest_terminal_summary(terminalreporter)

    @pytest.hookimpl(trylast=True)
    def pytest_benchmark_update_machine_info(self, machine_info):
        if self.machine.info:
            machine_info.clear()
            machine_info.update(self.machine.info)
        elif self.plan.slots:  # --benchmark-compare asks before there is anything
            machine_info["fingerprint"]["usable_cores"] = len(self.plan.slots[0].cores)

    @pytest.hookimpl(trylast=True)
    def pytest_benchmark_update_json(self, output_json):
        if self.machine.name:
            output_json["machine"] = self.machine.name
        self.machine.gate.pytest_benchmark_update_json(output_json)
        if self.machine.report:
            self.machine.report.pytest_benchmark_update_json(output_json)


def last_line(error):
    """Return the last line of what went wrong: a remote traceback ends with its cause."""
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), "no reason given")
