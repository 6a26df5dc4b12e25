"""The plugin of pytest: options, the gate, and what several workers of a session need.

Loading it declares the options and the hooks, and nothing else: a session that uses none of them, and has no test with
the marker ``duet``, runs as it would without. So everything is imported where it is needed.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from pytest_duet.errors import DuetError
from pytest_duet.plugin.extensions import hookimpl
from pytest_duet.plugin.marker import is_benchmark, is_plain_benchmark

if TYPE_CHECKING:
    import pytest

pytest_plugins = ("pytest_duet.plugin.fixtures",)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_duet.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    from pytest_duet.plugin.options import add_options

    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    from pytest_duet.plugin import session
    from pytest_duet.plugin.items import fixture

    if config.pluginmanager.has_plugin("benchmark"):
        fixture.give_metrics()
    for line in (
        "duet(subject=NAME): this test is a benchmark that is recorded and judged; NAME is what it measures. Of a test "
        "that calls `benchmark`: sync=True, the clock waits for its devices; check=FUNCTION or the name of a fixture, "
        "which is called with the result; isolation='none', it is not run in workers, 'module' or "
        "'session', it shares them with the tests there; stop=False, the side that waits is not stopped; memory=False, "
        "its worker's memory is not told, for processes of its own do the work. A module's, a class's and a test's own "
        "markers add up",
        "gate(METRIC=MARGIN, ...): this benchmark's margins: gate(peak_memory_bytes='3%,2MiB')",
    ):
        config.addinivalue_line("markers", line)
    if session.is_wanted(config):
        _or_usage_error(session.start, config)


@hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    from pytest_duet.plugin import session

    if not session.is_wanted(config):
        return None  # as xdist itself has it
    from pytest_duet.distributed.plan import auto_workers

    return auto_workers(config, session.needs_of(config))


@hookimpl(trylast=True)  # when -k and -m have chosen
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    from pytest_duet.plugin import session

    # What merely calls `benchmark` is pytest-benchmark's own affair, unless somebody asks for workers.
    ours = (item for item in items if is_benchmark(item) and not is_plain_benchmark(item))
    if session.GATE not in config.stash and any(ours):
        _or_usage_error(session.start_late, config, items)


@hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _in_one_paragraph(item))


@hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    return (yield from _in_one_paragraph(pyfuncitem))


def _in_one_paragraph(item: pytest.Item) -> Generator[None, object, object]:
    """Tell what is wrong without a traceback, which would show this plugin's code and not the cause."""
    if not is_benchmark(item):
        return (yield)
    import pytest

    from pytest_duet.workers.protocol import WrongHardware

    try:
        return (yield)
    except WrongHardware as error:
        raise pytest.skip.Exception(str(error)) from None
    except DuetError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


def _or_usage_error(call: Any, *arguments: Any) -> None:
    try:
        call(*arguments)
    except DuetError as error:
        import pytest

        raise pytest.UsageError(str(error)) from None
