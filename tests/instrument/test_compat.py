"""What ``pytest_duet/plugin/compat.py`` relies on in pytest-benchmark, xdist and pytest: is it still there, and so?"""

import hashlib
import inspect
import re
from dataclasses import replace
from importlib import metadata
from types import SimpleNamespace

import pytest
import pytest_benchmark.plugin
from pytest_benchmark import hookspec
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_benchmark.session import BenchmarkSession
from pytest_benchmark.storage.file import FileStorage
from support import ROOT
from xdist.dsession import DSession, Interrupted
from xdist.scheduler import EachScheduling

from pytest_duet import doctor
from pytest_duet.plugin import compat
from pytest_duet.plugin.session import SessionCheckup


def assigned(cls):
    """Return the attributes that a class's constructor sets."""
    return set(re.findall(r"self\.(\w+)(?:: [^=\n]+)? = ", inspect.getsource(cls.__init__)))


def code(function):
    """Return a digest of a function's source, to hold against a later version's."""
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]


# pytest-benchmark


def test_its_session_has_the_attributes_that_are_read_and_set(pytestconfig):
    session = pytestconfig._benchmarksession
    assert isinstance(session, BenchmarkSession)
    needed = {"disabled", "storage", "autosave", "save", "json", "benchmarks", "machine_id"}
    if metadata.version("pytest-benchmark") >= "5.3":
        needed.add("xdist_warning")  # before, it was written at once
    assert needed <= assigned(BenchmarkSession)
    assert pytestconfig.pluginmanager.get_plugin("benchmark") is pytest_benchmark.plugin
    written = inspect.getsource(BenchmarkSession.save_json) + inspect.getsource(BenchmarkSession.handle_saving)
    assert "self.json" in written and "save = self.save or self.autosave" in written


def test_its_options_are_called_as_they_are_switched_off(pytestconfig):
    option = SimpleNamespace()
    compat.write_no_files(SimpleNamespace(option=option))
    for name, off in vars(option).items():
        assert hasattr(pytestconfig.option, name)
        assert not off
    for name in ("benchmark_disable", "benchmark_enable", "benchmark_storage"):
        assert hasattr(pytestconfig.option, name)


@pytest.mark.parametrize(
    ("hook", "arguments"),
    [
        ("generate_commit_info", {"config"}),
        ("update_commit_info", {"config", "commit_info"}),
        ("generate_json", {"config", "benchmarks", "include_data", "machine_info", "commit_info"}),
        ("update_json", {"config", "benchmarks", "output_json"}),
        ("update_machine_info", {"config", "machine_info"}),
        ("compare_machine_info", {"config", "benchmarksession", "machine_info", "compared_benchmark"}),
    ],
)
def test_its_hooks_take_what_they_are_called_with(hook, arguments):
    assert set(inspect.signature(getattr(hookspec, f"pytest_benchmark_{hook}")).parameters) == arguments


def test_its_session_is_made_before_anything_is_compared():
    """The storage is a safe one by then, because the hook that compares machines comes first."""
    source = inspect.getsource(pytest_benchmark.plugin.pytest_configure)
    assert source.index("config._benchmarksession = BenchmarkSession") < source.index("handle_loading()")


def test_its_session_saves_once_it_ends_and_before_it_shows():
    assert "_benchmarksession.finish()" in inspect.getsource(pytest_benchmark.plugin.pytest_sessionfinish)
    assert "self.handle_saving()" in inspect.getsource(BenchmarkSession.finish)


def made_fixture(records):
    """Return a ``benchmark`` fixture, as pytest-benchmark builds it."""
    options = dict.fromkeys(
        ("disable_gc", "min_rounds", "precision", "confidence", "warmup", "warmup_iterations", "cprofile"), 0
    )
    options.update(dict.fromkeys(("min_time", "max_time", "calibration_precision", "cprofile_loops"), 1))
    known = inspect.signature(BenchmarkFixture.__init__).parameters
    node = SimpleNamespace(
        name="test_x[a]",
        nodeid="t.py::test_x[a]",
        _nodeid="t.py::test_x[a]",
        callspec=SimpleNamespace(id="a", params={}),
    )
    return BenchmarkFixture(
        node,
        timer=SimpleNamespace(target=iter(range(100)).__next__),
        add_stats=records.append,
        logger=None,
        warner=None,
        disabled=False,
        cprofile_dump=None,
        **{name: value for name, value in options.items() if name in known},
    )


def test_a_record_crosses_to_the_controller_and_is_the_same():
    records = []
    fixture = made_fixture(records)
    fixture.pedantic(lambda: None, rounds=3)
    fixture.extra_info["x"] = 1
    told = compat.record_as_json(SimpleNamespace(funcargs={"benchmark": fixture}))
    assert told["extra_info"] is None and told["stats"]["rounds"] == 3
    there = compat.record_from_json(told, {"x": 1})
    assert there.as_dict() == records[0].as_dict()
    assert there.has_error is False and there.fullname == "t.py::test_x[a]" and hasattr(there, "group")


def test_a_record_that_was_not_timed_is_none():
    assert compat.record_as_json(SimpleNamespace(funcargs={"benchmark": made_fixture([])})) is None


def test_a_renamed_benchmark_is_saved_by_its_new_name():
    records = []
    fixture = made_fixture(records)
    compat.rename(fixture, "a", "b")
    fixture.pedantic(lambda: None, rounds=1)
    assert [records[0].name, records[0].fullname, records[0].param] == ["test_x[b]", "t.py::test_x[b]", "b"]


class Saves:
    """A session of pytest-benchmark's, as far as saving goes."""

    def __init__(self, **given):
        self.benchmarks, self.disabled, self.machine_id = [], False, "here"
        self.save = self.json = None
        self.autosave, self.save_data, self.saved = "auto", False, []
        self.config = SimpleNamespace(hook=self, _benchmarksession=self)
        self.storage = SimpleNamespace(default_machine_id="?", save=lambda run, name: self.saved.append((run, name)))
        vars(self).update(given)

    def __getattr__(self, hook):
        if not hook.startswith("pytest_benchmark_"):
            raise AttributeError(hook)
        return lambda **given: {"hook": hook, "benchmarks": given.get("benchmarks")}

    def get_machine_info(self):
        return {}


def test_records_of_a_machine_are_saved_in_its_folder():
    session = Saves()
    compat.save_records(session.config, ["record"], "there", None)
    ((run, name),) = session.saved
    assert (run["benchmarks"], name, session.storage.default_machine_id) == (["record"], "auto", "there")
    compat.save_records(session.config, [], None, None)
    assert len(session.saved) == 1 and session.storage.default_machine_id == "here"


@pytest.mark.parametrize("opens", [False, True], ids=["5.3 keeps its path", "5.2 the open file"])
def test_the_json_file_is_another_one_for_each_machine(tmp_path, opens):
    written = []
    path = tmp_path / "run.json"
    with path.open("wb") as file:
        session = Saves(json=file if opens else path, save_json=lambda run: written.append(session.json))
        assert compat.json_file(session.config) == str(path)
        compat.save_records(session.config, ["record"], None, str(tmp_path / "run-there.json"))
    (other,) = written
    assert (other.name if opens else other) == str(tmp_path / "run-there.json")
    if opens:
        other.close()
    assert compat.json_file(Saves().config) is None


def test_a_run_without_records_is_saved_where_something_was_to_be_measured():
    session = Saves()
    compat.save_without_records(session.config)
    assert session.saved[0][0]["benchmarks"] == []
    for other in (Saves(disabled=True), Saves(benchmarks=["record"])):
        compat.save_without_records(other.config)
        assert other.saved == []


def test_its_storage_is_made_as_it_is_replaced(tmp_path):
    assert list(inspect.signature(FileStorage.__init__).parameters)[1:] == ["path", "logger", "default_machine_id"]
    session = Saves(storage=FileStorage(tmp_path, "logger", "machine"))
    assert compat.storage_folder(session.config) == tmp_path.resolve()
    assert {"path", "logger", "default_machine_id"} <= set(vars(session.storage))
    assert compat.replace_storage(session.config, lambda storage: ("mine", storage.path))
    assert session.storage == ("mine", tmp_path.resolve())
    assert not compat.replace_storage(session.config, lambda storage: None), "not one in files"


def test_a_session_that_must_be_saved_is():
    session = Saves(autosave=False)
    compat.save_always(session.config)
    assert re.fullmatch(r"[\w-]+", session.autosave), "it becomes a file's name"
    disabled = Saves(autosave=False, disabled=True)
    compat.save_always(disabled.config)
    assert disabled.autosave is False


# xdist


def test_what_was_rewritten_is_what_xdist_has():
    """Where this fails, read xdist's method again: ``compat._lose`` takes its place."""
    assert code(DSession.worker_errordown) == "3ffddef4844d"


def test_the_scheduler_goes_on_as_it_is_told_to():
    """Where this fails, read xdist's methods again: ``compat._lose`` does part of their work."""
    methods = ("remove_node", "add_node_collection", "schedule", "tests_finished")
    found = {name: vars(EachScheduling)[name] for name in methods}
    bodies = {name: code(getattr(method, "fget", method)) for name, method in found.items()}
    assert bodies == {
        "remove_node": "9dc1f2b8e38e",
        "add_node_collection": "2498373e9ea9",
        "schedule": "7935bdc74578",
        "tests_finished": "50567c7770bf",
    }
    assert {"numnodes", "node2collection", "_removed2pending", "collection_is_completed"} <= assigned(EachScheduling)
    assert {"sched", "_active_nodes", "shuttingdown", "config"} <= assigned(DSession)
    assert callable(DSession.handle_crashitem)


def test_an_error_of_a_worker_goes_through_the_method_that_is_replaced():
    lost = SimpleNamespace(
        remove_node=lambda node: None, _removed2pending={}, collection_is_completed=True, node2collection={}
    )
    hook = SimpleNamespace(pytest_testnodedown=lambda node, error: None)
    session = SimpleNamespace(config=SimpleNamespace(hook=hook), sched=lost, _active_nodes={"node"}, shuttingdown=False)
    plugins = SimpleNamespace(get_plugin={"dsession": session}.get)
    compat.let_machines_go(SimpleNamespace(pluginmanager=plugins))
    session.worker_errordown("node", "gone")
    assert session.shuttingdown and not session._active_nodes
    assert 'method = "worker_" + callname' in inspect.getsource(DSession.loop_once)
    import xdist.workermanage

    assert '"errordown"' in inspect.getsource(xdist.workermanage.WorkerController.process_from_remote)


def test_its_workers_are_told_from_the_command_line(pytestconfig):
    import xdist.plugin

    for name in ("tx", "rsyncdir", "rsyncignore", "dist", "numprocesses"):
        assert hasattr(pytestconfig.option, name)
    assert '"dsession"' in inspect.getsource(xdist.plugin.pytest_configure)
    config = SimpleNamespace(getoption={"tx": ["2*popen"]}.get, getvalue={"tx": ["2*popen"]}.get, option=None)
    assert [spec.popen for spec in compat.worker_specs(config)] == [True, True]


def test_it_ends_a_session_by_an_interrupt_of_its_own():
    assert compat.was_stopped_by_xdist(Interrupted("stopping after 1 failures"))
    assert not compat.was_stopped_by_xdist(KeyboardInterrupt())
    assert "Interrupted(" in inspect.getsource(DSession.pytest_runtestloop)


# pytest


def test_the_terminal_is_written_to_past_its_count(pytestconfig):
    terminal = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    if terminal is None:  # a worker of xdist has none
        pytest.skip("no terminal here")
    written = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal._tw, "_file", SimpleNamespace(write=written.append, flush=lambda: written.append("!")))
        before = compat.room_behind_line(terminal)
        compat.write_unseen(terminal, "\x1b7")
        assert compat.room_behind_line(terminal) == before
    assert written == ["\x1b7", "!"]


def test_a_skip_may_name_the_test_s_own_place():
    with pytest.raises(pytest.skip.Exception, match="why") as raised:
        compat.skip_as_item("why")
    assert raised.value._use_item_location is True


def test_a_session_s_command_line_can_be_exchanged(pytestconfig):
    assert replace(pytestconfig.invocation_params, args=("x",)).args == ("x",)
    session = SimpleNamespace(testscollected=1)
    compat.count_test(session)
    assert session.testscollected == 2 and hasattr(pytest.Session, "Failed")
    assert "testscollected" in inspect.getsource(pytest.Session)


# Versions


def test_the_installed_versions_are_tested_ones():
    assert compat.untested() == []


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({"pytest-benchmark": "5.2.0", "pytest-xdist": "3.8.9"}, []),
        ({"pytest-benchmark": "5.4.0", "pytest-xdist": "3.8.0"}, ["pytest-benchmark 5.4.0 is none of.*5.2 to 5.3"]),
        ({"pytest-benchmark": "4.0"}, ["pytest-benchmark 4.0 is none of"]),
        ({"pytest-benchmark": "5.3.1", "pytest-xdist": "4"}, [r"pytest-xdist 4 is none of.*\(3.8\)"]),
    ],
)
def test_a_version_that_was_not_tested_is_told_in_words(versions, said):
    def version(package):
        if package not in versions:
            raise metadata.PackageNotFoundError(package)
        return versions[package]

    found = compat.untested(version)
    assert len(found) == len(said)
    assert all(re.match(pattern, sentence) for pattern, sentence in zip(said, found))


def test_the_header_of_a_session_tells_it(monkeypatch):
    monkeypatch.setattr(compat, "untested", lambda: ["pytest-benchmark 9.9 is none of them."])
    monkeypatch.setattr(doctor, "cheap", lambda *_: [])
    config = SimpleNamespace(getoption=lambda name: "file://.benchmarks", hook=None)
    assert SessionCheckup("cpu").pytest_report_header(config) == [
        "check-up, versions: pytest-benchmark 9.9 is none of them."
    ]


# Nothing else touches them


PRIVATE = re.compile(
    r"_benchmarksession|from pytest_benchmark(?!\.storage\.file import FileStorage\b)|import pytest_benchmark"
    r"|(?:from|import) (?:xdist|execnet)|\b_tw\b|from _pytest|import _pytest|_use_item_location|testscollected"
    r"|option\.(?:benchmark_|tx\b|rsync)|worker_errordown|_removed2pending"
    r"|\b_raw\b|_raw_pedantic|_make_stats|benchmark\._timer\b|benchmark\._disable_gc\b|\._request\b"
)
ELSEWHERE = {"pytest_duet/record/storage.py", "pytest_duet/plugin/recording.py"}  # they subclass its file storage


def touches(text):
    """Return the private touches in a file, without what its docstrings and comments say."""
    return PRIVATE.findall(re.sub(r'"""[\s\S]*?"""|#.*', "", text))


def test_private_touches_stand_in_two_modules():
    files = [*ROOT.glob("pytest_duet/**/*.py"), *ROOT.glob("benchmarks/**/*.py"), ROOT / "conftest.py"]
    names = {path.relative_to(ROOT).as_posix(): touches(path.read_text()) for path in files}
    assert names.pop("pytest_duet/plugin/compat.py") and names.pop("pytest_duet/plugin/items/fixture.py")
    assert {name: found for name, found in names.items() if found and name not in ELSEWHERE} == {}


@pytest.mark.parametrize(
    "offender",
    ["config._benchmarksession.storage", "from xdist.dsession import DSession", "terminal._tw.write('x')"],
)
def test_a_touch_elsewhere_is_found(offender):
    assert touches(f'"""Text."""\n{offender}\n')
    assert not touches(f'"""{offender}"""\n# {offender}\n')
