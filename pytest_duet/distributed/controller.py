"""The controller's side of a distributed session: it gathers every machine's rows, saves them, and judges once."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from pytest_duet.distributed import reach
from pytest_duet.distributed.machine_run import Machine, beside, on_machine
from pytest_duet.distributed.plan import make_plan
from pytest_duet.errors import DuetError
from pytest_duet.plugin import compat, judging
from pytest_duet.plugin.gate import Gate
from pytest_duet.plugin.gate_items import verdict_name
from pytest_duet.plugin.gate_options import GateOptions
from pytest_duet.plugin.gate_output import set_exit_code
from pytest_duet.plugin.recording import use_safe_storage
from pytest_duet.plugin.session import WORKER_INPUT, needs_of
from pytest_duet.plugin.session_report import SessionReport
from pytest_duet.record.storage import platform_folder
from pytest_duet.workers.slots import Slot


class Controller:
    """The plugin; it raises a DuetError where what is asked for cannot be."""

    def __init__(self, config: pytest.Config, gate_options: GateOptions) -> None:
        self.config, self.needs = config, needs_of(config)
        self.session: pytest.Session
        if config.getoption("duet_shard"):
            raise DuetError("--shard and xdist's workers: choose one. A GPU each for several shards does the same.")
        self.plan = make_plan(config, self.needs)
        self.machines = {name: self._machine(name, gate_options) for name in self.plan.machines}
        self.machine = next(iter(self.machines.values()))  # whose run is being saved
        self._names: dict[str, str] = {}  # of machines, by execnet's id of their worker
        self._slots: dict[str, Slot] = {}  # that are taken, likewise
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

    def _machine(self, name: str, options: GateOptions) -> Machine:
        gate = Gate(replace(options, json=beside(options.json, name)), self.config)
        gate.machine = name
        path = beside(self.config.getoption("duet_report"), name)
        return Machine(name, gate, SessionReport(self.config, path) if path else None)

    # Before the workers start

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self.session = session
        compat.keep_enabled(self.config)
        use_safe_storage(self.config, must_save=self.machine.gate.options.history)
        if self.plan.slots:
            with suppress(DuetError):  # if something is wrong, the workers will say
                self.config.hook.pytest_duet_prepare(config=self.config, say=self._say)
            return
        compat.let_machines_go(self.config)
        try:
            reach.send_suite_along(self.config, self.needs.file_options)
        except DuetError as error:
            raise pytest.UsageError(str(error)) from None

    def _say(self, text: str) -> None:
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if terminal:
            terminal.write_line(text)

    @pytest.hookimpl(tryfirst=True)
    def pytest_xdist_setupnodes(self, specs: list[Any]) -> None:
        if self.plan.slots:
            return
        with ThreadPoolExecutor(len(specs)) as pool:
            troubles = list(pool.map(lambda spec: reach.prepare(spec, self.needs.modules), specs))
        for spec, name, trouble in zip(list(specs), self.plan.machines, troubles):
            self._names[spec.id] = name
            if trouble:
                self.machines[name].trouble = trouble
                specs.remove(spec)
        compat.forget_workers(self.config, [not machine.trouble for machine in self.machines.values()])
        if not specs:
            raise pytest.UsageError(" ".join(f"{m.name}: {m.trouble}" for m in self.machines.values()))

    def pytest_configure_node(self, node: Any) -> None:
        slot = None
        if self.plan.slots:
            taken = self._slots.values()
            slot = next(slot for slot in self.plan.slots if slot not in taken)
            self._slots[node.gateway.id] = slot
        node.workerinput[WORKER_INPUT] = {"slot": slot and slot.as_dict()}

    # While they run

    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        hook = self.config.hook
        subjects = {nodeid: hook.pytest_duet_subject(config=self.config, nodeid=nodeid) for nodeid in ids}
        self._machine_of(node).plan(subjects)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        if hasattr(report, "node"):
            machine = self._machine_of(report.node)
            machine.take(report)
            report.nodeid = on_machine(report.nodeid, machine.name)  # for whoever comes next

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        for machine in self.machines.values():
            machine.gate.pytest_collectreport(report)

    def pytest_testnodedown(self, node: Any, error: object) -> None:
        self._slots.pop(node.gateway.id, None)
        machine = self._machine_of(node)
        if error and not (self.plan.slots and machine.planned):  # another worker takes over here
            doing = "measured" if machine.planned else "started"
            machine.trouble = f"it went while it {doing} ({last_line(error)})"

    def pytest_keyboard_interrupt(self) -> None:
        for machine in self.machines.values():
            machine.gate.interrupted = True

    def _machine_of(self, node: Any) -> Machine:
        return self.machines[self._names.get(node.gateway.id, self.plan.machines[0])]

    # When they are done

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        try:
            result = yield
        except KeyboardInterrupt as error:
            if compat.was_stopped_by_xdist(error) and self.config.getoption("maxfail"):
                raise session.Failed(str(error)) from None  # as without xdist: tests failed, nobody interrupted
            raise
        for machine in self.machines.values():
            self._name_what_is_lost(machine)
            if machine.gate.options.active:
                self._judge(machine)
        return result

    def _name_what_is_lost(self, machine: Machine) -> None:
        nodes = [node for node in machine.planned if node not in machine.ended]
        if machine.trouble and not machine.planned:
            nodes = [f"benchmarks::{machine.name or 'workers'}"]
        for node in nodes:
            text = f"{machine.name or 'the worker'} did not run this: {machine.trouble or 'it was stopped'}."
            machine.gate.outcomes.setdefault(node, ("failed", text))
            machine.gate.failed += 1
            self._report(machine, node, "failed", text)

    def _judge(self, machine: Machine) -> None:
        gate = machine.gate
        gate.cautions += judging.too_few_trials(gate)
        for node in list(gate.margins):
            self._report(machine, verdict_name(node), *gate.outcome(node))
        if gate.options.history and machine.measured:
            path = next(iter(gate.margins)).partition("::")[0]
            self._report(machine, f"{path}::gate:baseline", *gate.baseline_outcome())

    def _report(self, machine: Machine, node: str, outcome: str, text: str) -> None:
        """Have pytest count a test that ran nowhere, as it would have if it had run here."""
        node = on_machine(node, machine.name)
        compat.count_test(self.session)
        location = (node.partition("::")[0], 0, node.partition("::")[2])
        for when in ("setup", "call", "teardown"):
            ended = outcome if when == "call" else "passed"
            said: Any = None
            if ended != "passed":
                said = text if ended == "failed" else (location[0], 1, f"Skipped: {text}")
            report: Any = pytest.TestReport(node, location, {}, ended, said, when)  # type: ignore[arg-type]
            self.config.hook.pytest_runtest_logreport(report=report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest-benchmark saves
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        json = compat.json_file(self.config)
        for machine in self.machines.values():
            self.machine = machine
            folder = platform_folder(machine.info) if machine.info else None
            compat.save_records(self.config, machine.benchmarks, folder, beside(json, machine.name))
            machine.gate.finish()
            if machine.report:
                machine.report.pytest_sessionfinish()
            for record in machine.benchmarks if machine.name else ():
                record.group = f"{record.group}, {machine.name}"  # in pytest-benchmark's table
        set_exit_code(self.session, [machine.gate for machine in self.machines.values()])
        compat.only_show(self.config, [record for machine in self.machines.values() for record in machine.benchmarks])
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for machine in self.machines.values():
            machine.gate.show(terminalreporter, machine.measured)
            if machine.report:
                machine.report.pytest_terminal_summary(terminalreporter)

    @pytest.hookimpl(trylast=True)
    def pytest_benchmark_update_machine_info(self, machine_info: dict[str, Any]) -> None:
        if self.machine.info:
            machine_info.clear()
            machine_info.update(self.machine.info)
        elif self.plan.slots:  # --benchmark-compare asks before there is anything
            machine_info["fingerprint"]["usable_cores"] = len(self.plan.slots[0].cores)

    @pytest.hookimpl(trylast=True)
    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        if self.machine.name:
            output_json["machine"] = self.machine.name
        self.machine.gate.pytest_benchmark_update_json(output_json)
        if self.machine.report:
            self.machine.report.pytest_benchmark_update_json(output_json)


def last_line(error: object) -> str:
    """Return the last line of what went wrong: a remote traceback ends with its cause."""
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), "no reason given")
