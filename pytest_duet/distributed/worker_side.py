"""A worker's side of a distributed session: it measures and tells; what it all means, the controller says."""

from __future__ import annotations

from functools import cached_property

import pytest

from pytest_duet.distributed.evidence import attach
from pytest_duet.plugin.gate import is_benchmark

CONTROLLERS = {  # options that only the controller may follow: it alone has all the rows
    "benchmark_autosave": False,
    "benchmark_compare": None,
    "benchmark_compare_fail": [],
    "benchmark_histogram": None,
    "benchmark_json": None,
    "benchmark_save": None,
    "gate_json": None,
    "report": None,
    "results_csv": None,
}


def leave_to_the_controller(config):
    """Switch off what would write files or print tables; before pytest-benchmark reads its options."""
    for option, off in CONTROLLERS.items():
        setattr(config.option, option, off)


def keep_enabled(session, config):
    """Let pytest-benchmark measure in this session, as if there were no xdist: every worker has its own cores."""
    session.disabled = config.getoption("benchmark_disable") and not config.getoption("benchmark_enable")
    session.xdist_warning = False


class WorkerSide:
    """The plugin.

    :param gate: the session's ``Gate``, which is not registered here: it judges nothing, but fixtures ask it.
    """

    def __init__(self, config, gate):
        self.config, self.gate = config, gate

    def pytest_sessionstart(self):
        keep_enabled(self.config._benchmarksession, self.config)

    def pytest_deselected(self, items):
        self.gate.pytest_deselected(items)

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # when -k and -m have chosen
    def pytest_collection_modifyitems(self, items):
        result = yield
        self.gate.take_on(items)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item):
        report = yield
        if is_benchmark(item):
            attach(report, self.gate, item, lambda: self.machine_info)
        return report

    @cached_property
    def machine_info(self):
        """What pytest-benchmark saves of the machine; asked for once, since that takes a second."""
        return self.config._benchmarksession.get_machine_info()
