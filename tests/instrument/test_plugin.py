"""The plugin in other people's sessions: it changes nothing, unless it is asked, or a test carries its marker."""

import os
import re
import subprocess
import sys
import tomllib
from functools import partial

import pluggy
import pytest
import sessions
from sessions import saved
from support import ROOT

from pytest_duet.plugin import extensions, hookspecs, options
from pytest_duet.plugin.items.plan import ROUND_SECONDS
from pytest_duet.record.history import WINDOW
from pytest_duet.trials.turns import TURN_SECONDS

ORDINARY = "def test_sum(benchmark):\n    assert benchmark(sum, [1, 2]) == 3\n"
MARKED = """
import pytest

from pytest_duet.record.row import Row

@pytest.mark.duet(subject="mine")
def test_mine(duet):
    row = Row(subject="mine", device="cpu", metrics={}, trials=())
    duet.publish("a group", row, [0.25, 0.5], answer=42)
"""


@pytest.fixture
def session(tmp_path):
    """Run pytest on files of somebody else's, in a folder of its own; returns the process, which has ended."""
    return partial(sessions.run, tmp_path)


def shape(value):
    """Return the keys of nested dictionaries, without their values."""
    return {key: shape(inner) for key, inner in value.items()} if isinstance(value, dict) else None


def test_an_ordinary_session_runs_as_it_would_without(session, tmp_path):
    files = {"test_ordinary.py": ORDINARY}
    found = []
    for plugin in (True, False):
        done = session(files, "--benchmark-autosave", "--benchmark-quiet", plugin=plugin)
        said = [re.sub(r"=+|\d+\.\d+s", "#", line) for line in done.stdout.splitlines() if "plugins:" not in line]
        run = saved(tmp_path)
        found.append((said, done.stderr, shape(run), [shape(bench) for bench in run["benchmarks"]]))
    assert found[0] == found[1]
    assert "fingerprint" not in saved(tmp_path)["machine_info"] and "gate" not in saved(tmp_path)
    assert not list(tmp_path.rglob("*.lock")), "pytest-benchmark's own storage"


def test_it_loads_nothing_that_an_ordinary_session_has_no_use_for(session, tmp_path):
    """What it costs is what it imports: declarations alone, and so a few milliseconds."""
    names = tmp_path / "names"
    write = f"pathlib.Path({str(names)!r}).write_text(' '.join(sys.modules))"
    told = f"import sys, atexit, pathlib\natexit.register(lambda: {write})\n"
    session({"test_ordinary.py": ORDINARY, "conftest.py": told}, fresh=True)
    loaded = set(names.read_text().split())
    ours = {name for name in loaded if name.startswith("pytest_duet.")}
    assert {name.split(".")[1] for name in ours} == {"plugin", "errors"}
    assert "pytest_duet.plugin.gate" not in ours
    assert loaded.isdisjoint({"numpy", "scipy", "rich", "filelock", "msgspec", "pynvml"})


def test_a_marked_test_is_recorded_without_anybody_asking(session, tmp_path):
    done = session({"test_mine.py": MARKED, "test_ordinary.py": ORDINARY}, "--benchmark-autosave")
    assert "2 passed" in done.stdout
    run = saved(tmp_path)
    by_name = {bench["name"]: bench for bench in run["benchmarks"]}
    mine = by_name["test_mine"]
    assert (mine["group"], mine["stats"]["data"]) == ("a group", [0.25, 0.5])
    assert set(mine["extra_info"]) == {"answer", "duet"} and mine["extra_info"]["answer"] == 42
    assert mine["extra_info"]["duet"]["subject"] == "mine"
    assert run["machine_info"]["fingerprint"] and run["gate"]["mode"] is None and run["command"].startswith("pytest ")
    assert by_name["test_sum"]["extra_info"] == {}


def test_a_suite_answers_the_hooks_from_its_conftest(session):
    told = (
        "def pytest_duet_wanted(config):\n    return True\n"
        "def pytest_duet_tables(config, terminalreporter, rows, machine):\n"
        "    told = [(row.subject, extra_info['answer']) for row, extra_info in rows]\n"
        "    terminalreporter.write_line(f'TABLE {told} on {machine!r}')\n"
    )
    done = session({"test_mine.py": MARKED, "conftest.py": told})
    assert "TABLE [('mine', 42)] on ''" in done.stdout


def test_the_fixture_without_the_marker_says_what_is_missing(session):
    done = session({"test_mine.py": MARKED.replace('@pytest.mark.duet(subject="mine")', "")}, code=1)
    assert "carry the marker `@pytest.mark.duet`" in done.stdout and "Traceback" not in done.stdout


def test_without_pytest_benchmark_it_refuses_what_it_cannot_do(session, tmp_path):
    (tmp_path / "test_x.py").write_text("def test_x():\n    pass\n")
    line = [sys.executable, "-m", "pytest", "-p", "pytest_duet.plugin", "-p", "no:benchmark"]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    for more, code in ((), 0), (("--gate",), 4):
        done = subprocess.run([*line, *more], cwd=tmp_path, env=environment, text=True, capture_output=True)
        assert done.returncode == code, done.stdout + done.stderr
    assert "ERROR: pytest-benchmark is switched off" in done.stderr


def test_the_gate_of_a_session_without_benchmarks_has_nothing_to_judge(session):
    done = session({"test_none.py": "def test_none():\n    pass\n"}, "--gate", code=4)
    assert "no test was collected that calls `benchmark`, or carries the marker duet" in done.stderr + done.stdout


def test_the_gate_of_a_session_that_measures_nothing_says_why(session):
    files = {"test_ordinary.py": ORDINARY, "pytest.ini": "[pytest]\naddopts = --benchmark-disable\n"}
    done = session(files, "--gate", code=4)
    assert "--benchmark-enable revokes it" in done.stderr + done.stdout


def test_the_help_names_the_real_defaults(session):
    done = session({}, "--help")
    text = " ".join(done.stdout.split())
    assert re.search(rf"--duet-gate-window=?\s?N accepted runs to judge by \(default: {WINDOW}\)", text)
    assert f"inf takes turns by whole rounds (default: {TURN_SECONDS}; a test's round, {ROUND_SECONDS})" in text
    assert f"that take turns (default: {options.MAX_TRIALS})" in text
    assert "--shard" in text and "--report" in text and "--cores-per-worker" in text


def test_its_dependencies_have_lower_bounds_alone():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = [*project["dependencies"], *(need for extra in project["optional-dependencies"].values() for need in extra)]
    assert [need for need in needs if not re.fullmatch(r"[a-z0-9-]+>=[\d.]+", need)] == []


# The same hooks outside of pytest


class Suite:
    """What a suite might answer, some of it marked and some not, beside a hook of pytest's own."""

    def pytest_duet_asked(self, subject):
        return subject == "mine"

    @pytest.hookimpl(tryfirst=True)
    def pytest_duet_needs(self):
        return hookspecs.Needs(device="cpu")

    def pytest_configure(self, config):
        raise AssertionError("this is not for commands")


def test_commands_ask_the_same_functions():
    hook = extensions.manager(Suite()).hook
    assert hook.pytest_duet_asked(config=None, subject="mine", name="x::y[mine]") is True
    assert hook.pytest_duet_needs(config=None) == hookspecs.Needs("cpu")
    assert hook.pytest_duet_wanted(config=None) == []


def test_a_function_that_fits_no_hook_is_an_error():
    class Mistaken:
        def pytest_duet_wnted(self, config):
            return True

    with pytest.raises(pluggy.PluginValidationError, match="pytest_duet_wnted"):
        extensions.manager(Mistaken())
