"""The session of pytest in a worker: a test, or a few, with the settings of the session they are measured for."""

from __future__ import annotations

import os
import reprlib
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pytest_duet.plugin.extensions import hookimpl
from pytest_duet.plugin.items.settings import Settings
from pytest_duet.plugin.items.timing import Call, PedanticCall
from pytest_duet.plugin.marker import marked

if TYPE_CHECKING:
    import pytest

MOST_OUTPUT = 20_000  # characters of what a test printed, the last ones


class InnerSession:
    """The plugin of that session.

    :param nodeid: of the test that is run first.
    :param measure: called when a test hands its call to ``benchmark``.
    :param then: called when a test has ended; returns the node id of the one that is run next, or None.
    :ivar reports: pytest's of the test that was run last, as plain values; ``record`` is pytest-benchmark's.
    """

    def __init__(
        self, nodeid: str, measure: Callable[[Any, Call, bool], Any], then: Callable[[], str | None] = lambda: None
    ) -> None:
        self._nodeid: str | None = nodeid
        self._measure, self._then = measure, then
        self.reports: list[dict[str, Any]] = []
        self.record: dict[str, Any] | None = None
        self._options: dict[str, Any] = {}
        self._benchmark: Any = None
        self._items: dict[str, pytest.Item] = {}
        self._item: pytest.Item | None = None
        self._uncollected = ""

    def run(self, settings: Settings) -> None:
        """Run the tests that are asked for; what there is to tell of the last one is in ``reports`` then.

        :raises SubjectError: where it cannot be collected.
        :raises LookupError: where it is not there, or pytest did not run it; its log says why.
        """
        import pytest

        from pytest_duet import plugin
        from pytest_duet.plugin.items import fixture
        from pytest_duet.plugin.items.revision import use_revision
        from pytest_duet.workers.protocol import SubjectError

        working_directory(settings.folder)
        self._revision = use_revision(settings) if settings.revision else None
        for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
            os.environ.pop(name, None)
        self._options, self._together = settings.options, settings.together
        fixture.replace_measuring(self._at_call, self._at_pedantic)
        code = pytest.main(arguments(settings), plugins=[self, plugin])
        if self._uncollected:
            raise SubjectError(f"it cannot be collected:\n{self._uncollected}")
        broke = int(code) == pytest.ExitCode.INTERNAL_ERROR
        if broke or not self.reports:
            what = "did not run it" if broke or self._item else "has no such test"
            raise LookupError(f"a session of this test alone {what} (pytest's exit code {int(code)})")

    def _at_call(self, benchmark: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
        return self._measured(benchmark, lambda how: Call(function, args, kwargs, **how))

    def _at_pedantic(self, benchmark: Any, target: Any, *, warmup_rounds: int = 0, **its: Any) -> Any:
        def make(how: dict[str, Any]) -> Call:
            made = PedanticCall(target, **its, **how)
            for _ in range(warmup_rounds):
                made.unit(made.fixed_calls)
            return made

        return self._measured(benchmark, make)

    def _measured(self, benchmark: Any, make: Callable[[dict[str, Any]], Call]) -> Any:
        from pytest_duet.plugin.items import fixture
        from pytest_duet.plugin.items.devices import wait_for_devices

        sync = bool(self._item and waits(self._item))
        how = dict(fixture.clock_of(benchmark), wait=wait_for_devices if sync else None)
        self._benchmark = benchmark
        result = self._measure(benchmark, make(how), sync)
        if self._item:
            check(self._item, result)
        return result

    # What pytest tells

    @hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        from pytest_duet.plugin.session import INNER

        self._config = config
        config.stash[INNER] = True
        if self._revision:
            self._revision.come_first()
        for name, value in self._options.items():
            if hasattr(config.option, name):  # else it is of a plugin that is not here
                setattr(config.option, name, value)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        from pytest_duet.plugin import compat

        self._items = {item.nodeid: item for item in reversed(items)}  # of several that are alike, the first
        if not self._together:
            items[:] = [item for item in items if item is self._items.get(self._nodeid or "")]
        for item in items:
            compat.without_timeout(item)

    @hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        from pytest_duet.plugin import compat
        from pytest_duet.plugin.items import fixture

        while not self._uncollected and self._nodeid is not None:
            self.reports, self.record, self._benchmark = [], None, None
            self._item = item = self._items.get(self._nodeid)
            if item is None:
                break
            compat.tear_down(session, up_to=item)
            item.ihook.pytest_runtest_protocol(item=item, nextitem=later(item) if self._together else None)
            if self._benchmark is not None and self._benchmark.stats:
                self.record = fixture.as_plain_record(self._benchmark)
            self._nodeid = self._then()
        compat.tear_down(session)
        return True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._uncollected = str(report.longrepr)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(plain_report(self._config, report))


def later(item: pytest.Item) -> pytest.Item:
    """Return an item to be named as the one after a test, which keeps the fixtures of all but the test itself."""
    import pytest

    class Later(pytest.Item):
        def runtest(self) -> None:
            raise NotImplementedError("it is never run")

    parent: Any = item.parent
    return Later.from_parent(parent, name="later")


def plain_report(config: pytest.Config, report: Any) -> dict[str, Any]:
    """Return a report as plain values, as workers of pytest-xdist send it."""
    plain: dict[str, Any] = config.hook.pytest_report_to_serializable(config=config, report=report)
    plain["sections"] = [(name, text[-MOST_OUTPUT:]) for name, text in plain.get("sections", ())]
    return plain


def arguments(settings: Settings) -> list[str]:
    """Return the command line of the session."""
    words = [*settings.paths, f"--rootdir={settings.rootdir}", "-o", "addopts=", "-q", "--no-summary"]
    words += ["-c", settings.inifile] if settings.inifile else []
    scratch = tempfile.gettempdir()  # the worker's own
    words += [f"--basetemp={scratch}/pytest"]
    words += [] if "no:cacheprovider" in settings.plugins else ["-o", f"cache_dir={scratch}/cache"]  # else unknown
    words += [f"--import-mode={settings.import_mode}"]
    for option, values in (("-p", settings.plugins), ("-o", settings.overrides), ("-W", settings.warnings)):
        for value in values:
            words += [option, value]
    if settings.seed is not None:
        words += [f"--randomly-seed={settings.seed}"]
    return words


def working_directory(folder: str) -> None:
    """Go where the session was started, and leave that folder off the path: a test is to find what it would there."""
    here = os.getcwd()
    sys.path[:] = [entry for entry in sys.path if entry not in ("", here)]
    os.chdir(folder)


def waits(item: pytest.Item) -> bool:
    """Tell whether the clock is to wait for the devices, as the test's marker or the settings say."""
    said = marked(item, "sync")
    if said is not None:
        return bool(said)
    with suppress(ValueError, KeyError):  # a setting that this plugin's version does not know
        return bool(item.config.getini("duet_sync") == "auto")
    return False


def check(item: pytest.Item, result: Any) -> None:
    """Fail the test where its marker has a check, and that is not content with the result."""
    wanted = marked(item, "check")
    if wanted is None:
        return
    import pytest

    from pytest_duet.plugin.items import fixture

    judge = fixture.fixture_value(item, wanted) if isinstance(wanted, str) else wanted
    if judge(result) is False:
        code = getattr(judge, "__code__", None)
        place = f" ({os.path.basename(code.co_filename)}:{code.co_firstlineno})" if code else ""
        name = wanted if isinstance(wanted, str) else getattr(judge, "__name__", repr(judge))
        said = f"the result is wrong, says {name}{place}, so its time means nothing: {reprlib.repr(result)}"
        pytest.fail(said, pytrace=False)
