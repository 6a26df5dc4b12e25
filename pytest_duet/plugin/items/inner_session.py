"""The session of pytest in a worker: one test, with the settings of the session that it is measured for."""

from __future__ import annotations

import os
import reprlib
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_duet.plugin.extensions import hookimpl
from pytest_duet.plugin.items import kept_options
from pytest_duet.plugin.items.timing import Call, PedanticCall

if TYPE_CHECKING:
    import pytest

MOST_OUTPUT = 20_000  # characters of what a test printed, the last ones


def described(config: pytest.Config, item: pytest.Item) -> dict[str, Any]:
    """Return the settings of a session as plain values, for :meth:`InnerSession.run`."""
    options = {name: value for name, value in vars(config.option).items() if _travels(name, value)}
    return {
        "path": str(item.path),
        "rootdir": str(config.rootpath),
        "inifile": str(config.inipath) if config.inipath else None,
        "folder": str(config.invocation_params.dir),
        "options": options,
        "plugins": list(config.getoption("plugins")),
        "settings": list(config.getoption("override_ini") or ()),
        "import_mode": config.getoption("importmode"),
        "warnings": list(config.getoption("pythonwarnings") or ()),
        "seed": getattr(config.option, "randomly_seed", None),
        "revision": None,
    }


def _travels(name: str, value: Any) -> bool:
    if kept_options.stays(name):
        return False
    plain = (str, int, float, bool, type(None))
    return isinstance(value, plain) or (isinstance(value, list) and all(isinstance(each, plain) for each in value))


class InnerSession:
    """The plugin of that session.

    :param measure: called when the test hands its call to ``benchmark``.
    """

    def __init__(self, nodeid: str, measure: Callable[[Any, Call, bool], Any]) -> None:
        self.nodeid, self._measure = nodeid, measure
        self.reports: list[dict[str, Any]] = []
        self.record: dict[str, Any] | None = None
        self._options: dict[str, Any] = {}
        self._benchmark: Any = None
        self._item: pytest.Item | None = None
        self._uncollected = ""

    def run(self, session: dict[str, Any]) -> None:
        """Run the test; what there is to tell of it is in ``reports`` then.

        :raises SubjectError: where it was not even found.
        """
        import pytest

        from pytest_duet import plugin
        from pytest_duet.plugin.items import fixture
        from pytest_duet.plugin.items.revision import use_revision
        from pytest_duet.workers.protocol import SubjectError

        working_directory(session["folder"])
        if session["revision"]:
            use_revision(**session["revision"])
        for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
            os.environ.pop(name, None)
        self._options = session["options"]
        fixture.replace_measuring(self._at_call, self._at_pedantic)
        code = pytest.main(self._arguments(session), plugins=[self, plugin])
        if self._uncollected:
            raise SubjectError(f"it cannot be collected:\n{self._uncollected}")
        if not self._item:
            raise SubjectError(f"a session of this test alone has no such test (pytest's exit code {int(code)})")

    def _arguments(self, session: dict[str, Any]) -> list[str]:
        words = [session["path"], f"--rootdir={session['rootdir']}", "-o", "addopts=", "-q", "--no-summary"]
        words += ["-c", session["inifile"]] if session["inifile"] else []
        scratch = tempfile.gettempdir()  # the worker's own
        words += [f"--basetemp={scratch}/pytest", "-o", f"cache_dir={scratch}/cache"]
        words += [f"--import-mode={session['import_mode']}"]
        for option, values in (("-p", session["plugins"]), ("-o", session["settings"]), ("-W", session["warnings"])):
            for value in values:
                words += [option, value]
        if session["seed"] is not None:
            words += [f"--randomly-seed={session['seed']}"]
        return words

    def _at_call(self, benchmark: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
        return self._measured(benchmark, lambda how: Call(function, args, kwargs, **how))

    def _at_pedantic(self, benchmark: Any, target: Any, **call: Any) -> Any:
        warmup = call.pop("warmup_rounds", 0)
        call = {"args": (), "kwargs": {}, "setup": None, "teardown": None, "rounds": 1, "iterations": 1, **call}
        call["kwargs"] = call["kwargs"] or {}
        for name, value, least in (("iterations", call["iterations"], 1), ("rounds", call["rounds"], 1)):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"Must have positive int for `{name}`.")
        if call["iterations"] > 1 and call["setup"]:
            raise ValueError("Can't use more than 1 `iterations` with a `setup` function.")

        def make(how: dict[str, Any]) -> Call:
            made = PedanticCall(dict(call, target=target), **how)
            for _ in range(warmup):
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

    def keep(self, benchmark: Any, seconds: list[float], calls: int) -> None:
        """Give pytest-benchmark what was measured, in seconds a call, for the test may look at its statistics."""
        from pytest_duet.plugin.items import fixture

        fixture.add_stats(benchmark, seconds, calls)

    # What pytest tells

    @hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        self._config = config
        for name, value in self._options.items():
            if hasattr(config.option, name):  # else it is of a plugin that is not here
                setattr(config.option, name, value)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        from pytest_duet.plugin import compat

        items[:] = [item for item in items if item.nodeid == self.nodeid][:1]
        self._item = items[0] if items else None
        for item in items:
            compat.let_it_take_its_time(item)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._uncollected = str(report.longrepr)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(plain_report(self._config, report))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        from pytest_duet.plugin.items import fixture

        if self._benchmark is not None and self._benchmark.stats:
            self.record = fixture.as_plain_record(self._benchmark)


def plain_report(config: pytest.Config, report: Any) -> dict[str, Any]:
    """Return a report as plain values, as workers of pytest-xdist send it."""
    plain: dict[str, Any] = config.hook.pytest_report_to_serializable(config=config, report=report)
    plain["sections"] = [(name, text[-MOST_OUTPUT:]) for name, text in plain.get("sections", ())]
    return plain


def working_directory(folder: str) -> None:
    """Go where the session was started, and leave that folder off the path: a test is to find what it would there."""
    here = os.getcwd()
    sys.path[:] = [entry for entry in sys.path if entry not in ("", here)]
    os.chdir(folder)


def waits(item: pytest.Item) -> bool:
    """Tell whether the clock is to wait for the devices, as the test's marker or the settings say."""
    marker = item.get_closest_marker("duet")
    if marker and "sync" in marker.kwargs:
        return bool(marker.kwargs["sync"])
    with suppress(ValueError, KeyError):  # a setting that this plugin's version does not know
        return bool(item.config.getini("duet_sync") == "auto")
    return False


def check(item: pytest.Item, result: Any) -> None:
    """Fail the test where its marker has a check, and that is not content with the result."""
    marker = item.get_closest_marker("duet")
    wanted = marker.kwargs.get("check") if marker else None
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


def code_of(session: dict[str, Any]) -> dict[str, str]:
    """Return the files that modules of the project were imported from, by the modules' names.

    Those of its tests, and those that it has installed beside itself, are left out.
    """
    roots = [session["revision"]["tree"]] if session["revision"] else []
    roots += [session["project"]] if session.get("project") else []
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if (
            not isinstance(file, str)
            or name.rpartition(".")[2] in ("__main__", "conftest")
            or "site-packages" in Path(file).parts
        ):
            continue
        path = os.path.realpath(file)
        if is_in(path, roots) and not is_in(path, session["tests"]):
            found[name] = path
    return found


def is_in(path: str, places: Iterable[str]) -> bool:
    """Tell whether a file is one of these, or in one of these folders."""
    return any(path == place or path.startswith(os.path.join(place, "")) for place in places)
