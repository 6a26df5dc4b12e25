"""Tests that take turns with another revision, or another environment: which code did each side really import?"""

import json
import shutil
import sys
import venv
from pathlib import Path

import pytest
import sessions
from sessions import git

from pytest_duet.plugin.items.revision import RevisionFinder

TURNS = ("--turn-seconds=0.001", "--max-trials=1", "--duet-max-foreign-cores=99")
TEST = """
import os

import pytest
from helper import N
from mine import work
from mine.deep import SPEED

@pytest.mark.parametrize("word", ["a::b", "plain"])
def test_work(benchmark, word, tmp_path):
    import mine
    with open(os.environ["TOLD"], "a") as file:
        print(os.path.dirname(mine.__file__), SPEED, N, file=file)
    benchmark(work)
"""
FILES = {
    "mine/__init__.py": "from mine.deep import work\n__version__ = 'of this commit'\n",
    "mine/deep.py": "SPEED = 'then'\ndef work():\n    return sum(range(100))\n",
    "tests/helper.py": "N = 'then'\n",
    "tests/test_work.py": TEST,
}
LAYOUTS = {
    "flat": {"pytest.ini": "[pytest]\npythonpath = .\n"},
    "src": {"pytest.ini": "[pytest]\npythonpath = src\n"},
    "conftest": {"pytest.ini": "[pytest]\n", "conftest.py": ""},  # whose folder pytest puts on the path
}


def project(folder, layout):
    """Make a repository with one commit, and then change its code and what its tests stand on."""
    prefix = "src/" if layout == "src" else ""
    files = {(prefix + name if name.startswith("mine") else name): text for name, text in FILES.items()}
    for name, text in {**files, **LAYOUTS[layout]}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "then")
    for name in (f"{prefix}mine/deep.py", "tests/helper.py"):
        path = folder / name
        path.write_text(path.read_text().replace("then", "now"))
    return prefix


@pytest.fixture
def told(tmp_path):
    """Return the lines that the tests of a session wrote, as tuples of words."""
    path = tmp_path / "told"

    def read():
        return [tuple(line.split()) for line in path.read_text().splitlines()]

    read.environment = {"TOLD": str(path)}
    return read


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "project"
    made.mkdir()
    return made


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_revision_s_code_and_today_s_tests_run(folder, told, layout):
    prefix = project(folder, layout)
    done = sessions.run(folder, {}, "--against=git:HEAD", *TURNS, environment=told.environment, code=None)
    assert " failed" not in done.stdout, done.stdout
    lines = told()
    today = {line for line in lines if line[1] == "now"}
    then = {line for line in lines if line[1] == "then"}
    assert {Path(line[0]) for line in today} == {folder / prefix / "mine"}
    assert then and all(line[0].endswith(f"/tree/{prefix}mine") for line in then)
    assert {line[2] for line in lines} == {"now"}, "what stands beside the tests is today's"
    records = sessions.records(folder)
    assert set(records) == {"test_work[a::b]", "test_work[plain]"}
    against = records["test_work[plain]"]["extra_info"]["duet"]["against"]
    assert against["name"] == "git:HEAD" and len(against["blocks"][0]) >= 4
    duet = records["test_work[plain]"]["extra_info"]["duet"]
    assert "mine" not in duet["versions"], "it changes with the code that is compared"
    assert duet["code"] == {"mine": f"{prefix}mine/__init__.py"}
    assert duet["counters"] == against["row"]["counters"] and duet["counters"]["calls of built-in functions"] == 1
    assert against["row"]["code"] == {"mine": f"git:HEAD:{prefix}mine/__init__.py"}
    assert not list((folder / ".git").glob("worktrees/*")), "its working tree is gone"


def test_a_project_may_say_which_files_are_tests(folder, told):
    """Else all that stands in a folder with tests would be today's on both sides."""
    prefix = project(folder, "flat")
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\nduet_tests = tests/test_*.py\n")
    arguments = ("--against=git:HEAD", *TURNS, "-k", "plain")
    done = sessions.run(folder, {}, *arguments, environment=told.environment, code=None)
    assert " failed" not in done.stdout, done.stdout
    assert {line[1:] for line in told()} == {("now", "now"), ("then", "then")} and not prefix


def test_tests_in_the_package_that_they_measure_are_today_s(folder, told):
    """As the suite has it: the package is the revision's, the test in it is not, and pytest rewrites its assertions."""
    test = (
        "import os\n\nfrom mine.deep import SPEED\n\n\ndef test_mine(benchmark):\n"
        "    with open(os.environ['TOLD'], 'a') as file:\n        print(SPEED, WHEN, file=file)\n"
        "    benchmark(sum, [1])\n    assert (WHEN, SPEED) != ('now', 'then')\n\n\nWHEN = 'then'\n"
    )
    project(folder, "flat")
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\nduet_tests = mine/test_*.py\n")
    (folder / "mine/test_mine.py").write_text(test)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "then", "--", "mine/test_mine.py", "pytest.ini")
    (folder / "mine/test_mine.py").write_text(test.replace("WHEN = 'then'", "WHEN = 'now'"))
    arguments = ("--against=git:HEAD", *TURNS, "mine/test_mine.py")
    done = sessions.run(folder, {}, *arguments, environment=told.environment, code=1)
    assert set(told()) == {("now", "now"), ("then", "now")}
    assert "AssertionError: assert ('now', 'then') != ('now', 'then')" in done.stdout


def test_two_revisions_take_turns_and_neither_is_the_working_tree(folder, told):
    project(folder, "flat")
    git(folder, "commit", "-qam", "now")
    deep = folder / "mine/deep.py"
    deep.write_text(deep.read_text().replace("now", "neither"))
    sides = ("--against=git:HEAD~1", "--new=git:HEAD")
    done = sessions.run(folder, {}, *sides, *TURNS, "-k", "plain", environment=told.environment, code=None)
    assert " failed" not in done.stdout, done.stdout
    assert {line[1] for line in told()} == {"now", "then"}
    assert all("/tree/mine" in line[0] for line in told())
    row = sessions.records(folder)["test_work[plain]"]["extra_info"]["duet"]
    assert row["code"] == {"mine": "git:HEAD:mine/__init__.py"}
    assert row["against"]["row"]["code"] == {"mine": "git:HEAD~1:mine/__init__.py"}
    sessions.run(folder, {}, "--new=git:HEAD", *TURNS, environment=told.environment, code=4)


def test_what_history_has_measured_again_leaves_the_session_s_own_figures(folder, told):
    """Paired trials with the last accepted code are beside the row, not in its place.

    They run in workers of their own: those that tests share may hold another revision's code by then.
    """
    project(folder, "flat")
    git(folder, "commit", "-qam", "now")
    small = ("--gate", *TURNS, "--duet-trials=2", f"--benchmark-storage=file://{folder.parent}/storage")
    small += ("-o", "duet_isolation=module")
    for _ in range(2):
        sessions.run(folder, {}, *small, environment=told.environment, code=None)
    record = sessions.records(folder)["test_work[plain]"]
    row = record["extra_info"]["duet"]
    (again,) = row["again"]
    assert again["row"]["against"]["blocks"], again["why_not"]
    assert len(row["trials"]) == 2 and len(again["row"]["trials"]) == 1
    assert "shares its worker" in row["conditions"] and "shares its worker" not in again["row"]["conditions"]
    assert record["stats"]["rounds"] == 2 * 25, "of the two, and none of the one that was paired"


def test_the_same_code_on_both_sides_is_an_error(folder, told, tmp_path):
    """The project is installed beside itself, as `pip install .` does it: the working tree is never imported."""
    project(folder, "flat")
    shutil.copytree(folder / "mine", tmp_path / "site-packages" / "mine")
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {tmp_path}/site-packages\n")
    sessions.run(folder, {}, "--against=git:HEAD", *TURNS, environment=told.environment, code=1)
    kind, text = sessions.cases(folder)["test_work[plain]"]
    assert kind == "failure" and "both sides would run the same code" in text and "pip install -e ." in text


NEW_MODULE = {"mine/fresh.py": "", "tests/test_work.py": f"import mine.fresh\n{TEST}"}
NEW_PACKAGE = {"fresh/__init__.py": "", "tests/test_work.py": f"import fresh\n{TEST}"}
BROKEN = {
    "a new module": (NEW_MODULE, "No module named 'mine.fresh'"),
    "a new package": (NEW_PACKAGE, "fresh is not in git:HEAD"),
    "what cannot be imported": ({}, "SyntaxError"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_a_revision_lacks_costs_its_row_with_a_reason(folder, told, what):
    project(folder, "flat")
    files, said = BROKEN[what]
    if not files:
        (folder / "mine" / "deep.py").write_text("SPEED = (\n")
        git(folder, "commit", "-qam", "broken")
        files = {"mine/deep.py": FILES["mine/deep.py"]}
    sessions.run(folder, files, "--against=git:HEAD", *TURNS, environment=told.environment, code=1)
    kind, text = sessions.cases(folder)["test_work[plain]"]
    assert kind == "failure" and said in text, text


def test_a_revision_that_is_none_is_told(folder, told):
    project(folder, "flat")
    done = sessions.run(folder, {}, "--against=git:nowhere", *TURNS, environment=told.environment, code=4)
    assert "invalid reference: nowhere" in done.stderr and "Traceback" not in done.stderr
    shutil.rmtree(folder / ".git")
    done = sessions.run(folder, {}, "--against=git:main", *TURNS, environment=told.environment, code=4)
    assert "is in no git repository, so it has no revisions" in done.stderr


@pytest.mark.parametrize("stop", [True, False])
def test_the_side_that_waits_stands_still_unless_the_test_forbids_it(tmp_path, stop):
    """A thread of either side counts on; its steps while it waits are those that the other side's turns leave it."""
    test = f"""
import threading, time
import pytest
BEATS = []

def beat():
    while True:
        BEATS.append(time.perf_counter())
        time.sleep(0.001)

@pytest.mark.duet(stop={stop})
def test_mine(benchmark):
    threading.Thread(target=beat, daemon=True).start()
    benchmark(time.sleep, 0.05)
    gaps = [later - earlier for earlier, later in zip(BEATS, BEATS[1:])]
    benchmark.extra_info["stood"] = sum(gap > 0.04 for gap in gaps)
"""
    sessions.run(tmp_path, {"test_mine.py": test}, "--against=self", *TURNS, code=None)
    stood = sessions.records(tmp_path)["test_mine"]["extra_info"]["stood"]
    assert (stood >= 5) == stop, f"{stood} of the other side's turns"


def test_against_itself_is_clean_whatever_it_is(tmp_path):
    """Few calls are allowed, and all of them are made; where they are too few for turns, whole trials are compared."""
    tests = (
        "def test_enough(benchmark):\n    calls = []\n"
        "    benchmark.pedantic(calls.append, args=(1,), rounds=12)\n    assert len(calls) == 12\n"
        "def test_few(benchmark):\n    calls = []\n"
        "    benchmark.pedantic(calls.append, args=(1,), rounds=4)\n    assert len(calls) == 4\n"
        "def test_once(benchmark):\n    calls = []\n"
        "    benchmark.pedantic(calls.append, args=(1,))\n    assert len(calls) == 1\n"
    )
    sessions.run(tmp_path, {"test_mine.py": tests}, "--against=self", *TURNS, code=None)
    cases = sessions.cases(tmp_path)
    assert [cases[name][0] for name in ("test_enough", "test_few", "test_once")] == ["passed"] * 3
    against = {name: record["extra_info"]["duet"]["against"] for name, record in sessions.records(tmp_path).items()}
    assert [bool(against[name]["blocks"]) for name in ("test_enough", "test_few", "test_once")] == [True, False, False]
    assert all(len(each["ratios"]) == 1 for each in against.values())
    assert sessions.records(tmp_path)["test_enough"]["group"] == "taking turns with self"


def test_another_environment_runs_today_s_tests_with_its_own_packages(tmp_path, told):
    """Of our own packages it is shown this one alone: what it imports is its own."""
    environment = tmp_path / "other"
    venv.create(environment, with_pip=False, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    mine = Path(pytest.__file__).parents[1]
    (packages / "borrowed.pth").write_text(f"{mine}\n")  # it has pytest and pytest-benchmark
    (packages / "borrowed.py").write_text("NAME = 'theirs'\n")
    test = (
        "import os, sys\n"
        "def test_mine(benchmark):\n"
        "    try:\n        import borrowed\n    except ImportError:\n        borrowed = None\n"
        "    with open(os.environ['TOLD'], 'a') as file:\n        print(sys.prefix, bool(borrowed), file=file)\n"
        "    benchmark(sum, [1])\n"
    )
    line = [f"--against={environment}", *TURNS]
    sessions.run(tmp_path, {"test_mine.py": test}, *line, environment=told.environment, code=None)
    assert set(told()) == {(sys.prefix, "False"), (str(environment), "True")}


def test_the_finder_maps_code_and_leaves_tests(tmp_path):
    for place in ("project/pkg/tests", "tree/pkg/tests"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "__init__.py").touch()
        (tmp_path / place).parent.joinpath("__init__.py").touch()
    finder = RevisionFinder(tmp_path / "project", tmp_path / "tree", [tmp_path / "project/pkg/tests"], "git:x")
    sys.path.insert(0, str(tmp_path / "project"))
    try:
        code = finder.find_spec("pkg")
        assert code.origin == str(tmp_path / "tree/pkg/__init__.py")
        inside = finder.find_spec("pkg.tests", code.submodule_search_locations)
        assert inside.origin == str(tmp_path / "project/pkg/tests/__init__.py"), "the tests inside of it are today's"
        assert finder.find_spec("json").origin == json.__file__, "somebody else's is found where it was, and once"
    finally:
        sys.path.remove(str(tmp_path / "project"))


def test_a_path_that_pytest_takes_for_tests_is_told(tmp_path):
    """Else its settings would be looked for there, and not found here."""
    (tmp_path / "other").mkdir()
    done = sessions.run(tmp_path, {"test_mine.py": "", "pytest.ini": "[pytest]\n"}, "--against", "other", code=4)
    assert "Write --against=other, or name the folder of your tests before it." in done.stderr


def test_short_names_are_left_to_others(tmp_path):
    theirs = "def pytest_addoption(parser):\n    parser.addoption('--report')\n    parser.addoption('--gate')\n"
    test = (
        "def test_mine(benchmark, request):\n"
        "    assert request.config.getoption('report') == 'mine'\n"
        "    benchmark(sum, [1])\n"
    )
    off = {"DUET_SHORT_OPTIONS": "off"}
    small = ("--duet-turn-seconds=0.001", "--duet-trials=1", "--duet-max-foreign-cores=99")
    files = {"conftest.py": theirs, "test_mine.py": test}
    sessions.run(tmp_path, files, "--report=mine", "--duet-gate", *small, environment=off)
    assert "duet" in sessions.records(tmp_path)["test_mine"]["extra_info"]
