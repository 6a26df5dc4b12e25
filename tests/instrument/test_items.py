"""Tests that call ``benchmark``, as anybody writes them: in workers they end as they would without the plugin."""

import json
import os

import pytest
import sessions

ONE = "def test_mine(benchmark):\n    benchmark(sum, [1])\n"
SMALL = ("--turn-seconds=0.001", "--duet-trials=1", "--duet-max-foreign-cores=99")  # a trial of some 30 ms

CONFTEST = """
import pytest

def pytest_addoption(parser):
    parser.addoption("--size", type=int, default=10)

@pytest.fixture(scope="session")
def heavy(request):
    return list(range(request.config.getoption("--size")))
"""
TESTS = """
import os, signal, sys, textwrap, time, unittest

import pytest

def test_fixtures(benchmark, heavy, tmp_path):
    assert len(heavy) == 77 and tmp_path.exists()
    assert benchmark(len, heavy) == 77
    assert 0 < benchmark.stats["mean"] < 1e-3 and len(benchmark.stats["data"]) > 5

@pytest.mark.parametrize("word", ["a::b", "[c]/d", "é ü"])
def test_any_id(benchmark, word):
    assert benchmark(word.upper) == word.upper()

@pytest.mark.benchmark(group="by marker")
def test_told(benchmark):
    benchmark.extra_info["answer"] = 42
    benchmark(sum, [1])

def test_decorated(benchmark):
    @benchmark
    def result():
        return 4
    assert result == 4

class TestUnit(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def take(self, benchmark):
        self.benchmark = benchmark

    def test_unit(self):
        self.assertEqual(self.benchmark(sum, [1, 2]), 3)

def test_woven(benchmark):
    benchmark.weave("textwrap.dedent")
    assert textwrap.dedent("  a") == "a"

def test_pedantic(benchmark):
    order = []
    def setup():
        order.append("setup")
        return (len(order),), {}
    def work(number):
        order.append("work")
        return number
    def teardown(number):
        order.append("teardown")
    result = benchmark.pedantic(work, setup=setup, teardown=teardown, rounds=14, warmup_rounds=2)
    assert order == ["setup", "work", "teardown"] * 16 and result == 46

def test_pedantic_loops(benchmark):
    calls = []
    assert benchmark.pedantic(calls.append, args=(1,), rounds=12, iterations=5) is None
    assert len(calls) == 61, "one more call gives the result"

def test_pedantic_once(benchmark):
    calls = []
    benchmark.pedantic(calls.append, args=(1,))
    assert len(calls) == 1

def test_prints(benchmark):
    benchmark(lambda: print("x" * 1000))

def test_never(benchmark):
    pass

@pytest.mark.skip(reason="not today")
def test_skipped(benchmark):
    benchmark(sum, [1])

@pytest.mark.xfail(reason="known")
def test_expected(benchmark):
    assert benchmark(sum, [1]) == 5

@pytest.mark.duet(isolation="none")
class TestHere:
    def test_here(self, benchmark):
        assert not sys.modules["__main__"].__file__.endswith("serve.py")
        benchmark(sum, [1])

def test_fails(benchmark):
    assert benchmark(sum, [1, 2]) == 4

def test_twice(benchmark):
    benchmark(sum, [1])
    benchmark(sum, [1])

def test_killed(benchmark):
    benchmark(lambda: os.kill(os.getpid(), signal.SIGKILL))

def test_leaves(benchmark):
    benchmark(lambda: os._exit(3))

def test_hangs(benchmark):
    benchmark(lambda: time.sleep(100))

def test_wears_out(benchmark):
    calls = []
    def work():
        calls.append(1)
        if len(calls) > 100:
            raise ValueError("too many")
    benchmark(work)

async def work(): pass

def test_coroutine(benchmark):
    benchmark(work)

def test_bad_pedantic(benchmark):
    benchmark.pedantic(sum, args=([1],), rounds=0)

def test_bad_setup(benchmark):
    benchmark.pedantic(sum, setup=list, iterations=2)
"""
GOOD = (
    "test_fixtures",
    "test_told",
    "test_decorated",
    "test_unit",
    "test_woven",
    "test_pedantic",
    "test_pedantic_loops",
    "test_pedantic_once",
    "test_prints",
    "test_here",
)
FAILS = {
    "test_fails": "assert 3 == 4",
    "test_twice": "Fixture can only be used once",
    "test_killed": "the worker died of SIGKILL during open",
    "test_leaves": "the worker exited with code 3 during open",
    "test_hangs": "did not answer open within 2 s and was killed (--duet-timeout sets the limit)",
    "test_wears_out": "ValueError: too many",
    "test_coroutine": "the function is a coroutine function",
    "test_bad_pedantic": "Must have positive int for `rounds`",
    "test_bad_setup": "Can't use more than 1 `iterations` with a `setup` function.",
}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Return the folder of a session of all of these, and what it printed."""
    folder = tmp_path_factory.mktemp("items")
    files = {"conftest.py": CONFTEST, "test_mine.py": TESTS}
    storage = f"--benchmark-storage=file://{folder}/storage"
    done = sessions.run(folder, files, "--gate", "--size=77", "--duet-timeout=2", "-rA", storage, *SMALL, code=1)
    return folder, done.stdout


@pytest.fixture(scope="module")
def cases(session):
    return sessions.cases(session[0])


@pytest.mark.parametrize("name", GOOD)
def test_what_passes_without_the_plugin_passes(session, cases, name):
    assert cases[name] == ("passed", "")
    rounds = sessions.records(session[0])[name]["stats"]["rounds"]
    assert rounds == 1 if name == "test_pedantic_once" else rounds >= 8


def test_ids_of_any_characters_are_found(cases):
    assert [kind for name, (kind, _) in cases.items() if name.startswith("test_any_id[")] == ["passed"] * 3


@pytest.mark.parametrize("name", FAILS)
def test_what_fails_says_why_itself(cases, name):
    kind, text = cases[name]
    assert kind == "failure" and FAILS[name] in text, text


def test_what_is_skipped_or_expected_to_fail_is_so(cases):
    assert cases["test_skipped"][0] == "skipped" and "not today" in cases["test_skipped"][1]
    assert cases["test_expected"][0] == "skipped" and "known" in cases["test_expected"][1]


def test_each_has_a_row_with_a_reason(session, cases):
    folder, printed = session
    found = {(one["benchmark"], one["metric"]): one for one in sessions.saved(folder)["gate"]["comparisons"]}
    by_test = {name.rpartition("::")[2]: one for (name, metric), one in found.items() if metric == "seconds"}
    assert by_test["test_fixtures"]["verdict"] == "no baseline" and by_test["test_fixtures"]["new"] < 1e-3
    assert "test_here" not in by_test, "nobody asked for a verdict on it"
    assert by_test["test_never"]["note"] == "the benchmark itself passed: it never called `benchmark`"
    for name in FAILS:
        assert by_test[name]["verdict"] == "void" and "the benchmark itself failed: " in by_test[name]["note"]
    assert "ValueError: too many" in by_test["test_wears_out"]["note"]
    assert len(printed) < 60_000, "what a test prints is cut"


def test_the_record_is_pytest_benchmark_s_own(session):
    records = sessions.records(session[0])
    told = records["test_told"]
    assert told["group"] == "by marker" and told["extra_info"]["answer"] == 42
    assert told["extra_info"]["duet"]["subject"] == "test_told"
    unit = records["test_unit"]
    assert unit["fullname"].endswith("TestUnit::test_unit") and unit["stats"]["iterations"] > 1000
    assert records["test_pedantic_loops"]["stats"]["iterations"] == 5
    assert records["test_any_id[a::b]"]["params"] == {"word": "a::b"}


def test_nothing_is_left_behind(session):
    left = {path.name for path in session[0].iterdir() if path.name[:1] not in "._"}
    assert left == {"conftest.py", "test_mine.py", "run.json", "junit.xml", "storage"}


def test_what_cannot_be_collected_is_an_error_as_ever(tmp_path):
    done = sessions.run(tmp_path, {"test_mine.py": "import nothing_of_the_kind\n"}, "--gate", *SMALL, code=2)
    assert "No module named 'nothing_of_the_kind'" in done.stdout


OPTIONS = """
import json, os, random, sys
from pathlib import Path

def test_mine(benchmark, request):
    benchmark(sum, [1])
    option = request.config.option
    told = {
        "lf": option.lf, "xmlpath": option.xmlpath, "tbstyle": option.tbstyle,
        "cwd": os.getcwd(), "path": sys.path, "hash": os.environ["PYTHONHASHSEED"],
        "tmp": str(request.config.option.basetemp),
        "strict": request.config.getini("xfail_strict"), "addopts": os.environ.get("PYTEST_ADDOPTS"),
        "timer": option.benchmark_timer, "json": option.benchmark_json,
    }
    Path(os.environ["TOLD"]).write_text(json.dumps(told))
"""


def test_a_worker_has_the_session_s_settings_and_none_of_its_files(tmp_path):
    ini = "[pytest]\nxfail_strict = true\naddopts = --lf --junitxml=other.xml -v --tb=short\n"
    files = {"test_mine.py": OPTIONS, "pytest.ini": ini}
    environment = {"TOLD": f"{tmp_path}/told.json", "PYTEST_ADDOPTS": "--durations=3", "PYTHONHASHSEED": "random"}
    sessions.run(tmp_path, files, *SMALL, "--benchmark-timer=time.process_time", environment=environment)
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["tbstyle"] == "short" and told["strict"] and told["timer"] == "time.process_time"
    assert not told["lf"] and told["xmlpath"] is None and told["json"] is None and told["addopts"] is None
    assert told["cwd"] == str(tmp_path) and "" not in told["path"] and told["hash"] == "1"
    assert str(tmp_path) not in told["tmp"]


@pytest.mark.parametrize("marker", ["", "import pytest\n@pytest.mark.duet(sync=True)\n"])
def test_a_session_without_its_options_is_measured_as_ever(tmp_path, marker):
    """Also where a test says how workers are to run it."""
    sessions.run(tmp_path, {"test_mine.py": marker + ONE})
    assert "duet" not in sessions.records(tmp_path)["test_mine"]["extra_info"]
    assert "gate" not in sessions.saved(tmp_path)


@pytest.mark.parametrize("option", ["--benchmark-disable", "--benchmark-skip"])
def test_what_is_not_to_be_measured_is_not(tmp_path, option):
    done = sessions.run(tmp_path, {"test_mine.py": ONE}, option, *SMALL)
    assert "1 passed" in done.stdout or "1 skipped" in done.stdout
    assert not (tmp_path / "run.json").exists(), "nothing was measured"


BESIDE = """
import random

def test_one(benchmark):
    benchmark(sum, [1])
    benchmark.extra_info["drawn"] = random.random()

def test_two(benchmark):
    benchmark(sum, [1])
"""


def test_a_worker_whose_pytest_breaks_is_a_failed_test(tmp_path):
    """Whatever else it told: who never ran the test knows nothing of it."""
    broken = """
import os

def pytest_collection_finish():
    if "DUET_PADDING" in os.environ:
        raise RuntimeError("only in a worker")
"""
    sessions.run(tmp_path, {"test_mine.py": ONE, "conftest.py": broken}, *SMALL, code=1)
    kind, text = sessions.cases(tmp_path)["test_mine"]
    assert kind == "failure" and "did not run it (pytest's exit code 3)" in text and "only in a worker" in text


STRICT = "filterwarnings = error\naddopts = -p no:cacheprovider"


@pytest.mark.parametrize("setting", ["addopts = --benchmark-disable", STRICT])
def test_what_settings_ask_for_is_heard(tmp_path, setting):
    """Measuring that is switched off is switched on again; and no warning is ours."""
    files = {"test_mine.py": BESIDE, "pytest.ini": f"[pytest]\n{setting}\n"}
    sessions.run(tmp_path, files, *SMALL, "--benchmark-enable", "--duet-trials=2")
    assert all(len(record["extra_info"]["duet"]["trials"]) == 2 for record in sessions.records(tmp_path).values())


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="each worker needs a core")
def test_saved_runs_are_compared_as_ever(tmp_path):
    storage = f"--benchmark-storage=file://{tmp_path}/storage"
    sessions.run(tmp_path, {"test_mine.py": BESIDE}, *SMALL, storage, "--benchmark-autosave")
    done = sessions.run(tmp_path, {}, *SMALL, storage, "--benchmark-compare=0001")
    assert "test_one (0001" in done.stdout and "test_one (NOW)" in done.stdout


def test_what_was_not_asked_for_has_not_vanished(tmp_path):
    files = {"test_mine.py": ONE, "test_other.py": ONE.replace("mine", "other")}
    storage = f"--benchmark-storage=file://{tmp_path}/storage"
    line = ("--gate", "--gate-missing=fail", "--history-alone", storage, *SMALL)
    sessions.run(tmp_path, files, *line, code=None)
    sessions.run(tmp_path, {}, *line, "test_mine.py", code=None)
    assert sessions.cases(tmp_path)["gate:baseline"][0] == "passed"
    (tmp_path / "test_other.py").unlink()
    sessions.run(tmp_path, {}, *line, code=1)
    assert "Vanished: test_other.py::test_other was in at least one" in sessions.cases(tmp_path)["gate:baseline"][1]


def test_a_turn_of_any_length_has_a_plan(tmp_path):
    sessions.run(tmp_path, {"test_mine.py": ONE}, *SMALL[1:], "--turn-seconds=inf")
    assert sessions.records(tmp_path)["test_mine"]["extra_info"]["duet"]["trials"]


def test_a_single_call_is_made_once_a_trial_and_no_more(tmp_path):
    """It may take minutes; of other tests, a look at them tells how many calls a trial is to have."""
    test = """
def test_long(benchmark):
    benchmark.pedantic(lambda: open(FOLDER + "/calls", "a").write("."))
    benchmark.metric("answer", 42, better="higher")
"""
    files = {"test_mine.py": f"FOLDER = {str(tmp_path)!r}\n{test}"}
    sessions.run(tmp_path, files, "--duet-trials=3", "--duet-max-foreign-cores=99")  # else a disturbed one is repeated
    (record,) = sessions.records(tmp_path).values()
    row = record["extra_info"]["duet"]
    assert (tmp_path / "calls").read_text() == "..."
    assert len(row["trials"]) == 3 and row["metrics"]["answer"]["values"] == [42, 42, 42]
    assert all(value > 0 for name in ("seconds", "peak_memory_bytes") for value in row["metrics"][name]["values"])
    assert [trial["started_at"] for trial in row["trials"]] == sorted(trial["started_at"] for trial in row["trials"])


def test_markers_of_a_module_a_class_and_a_test_add_up(tmp_path):
    test = """
import subprocess, sys
import pytest

pytestmark = pytest.mark.duet(memory=False, subject="theirs")

def work():
    subprocess.run([sys.executable, "-c", "x = bytes(2**26)"])

class TestTheirs:
    pytestmark = pytest.mark.duet(isolation="module")

    @pytest.mark.duet(subject="its own")
    def test_one(self, benchmark):
        benchmark.pedantic(work)

    def test_two(self, benchmark):
        benchmark.pedantic(work)

@pytest.mark.duet(memory=True)
def test_three(benchmark):
    benchmark.pedantic(work)
"""
    sessions.run(tmp_path, {"test_mine.py": test}, "--duet-trials=1", "--gate")
    rows = {name: record["extra_info"]["duet"] for name, record in sessions.records(tmp_path).items()}
    assert {name: row["subject"] for name, row in rows.items()} == {
        **{"test_one": "its own", "test_two": "theirs", "test_three": "theirs"}
    }
    peaks = {name: row["metrics"]["peak_memory_bytes"]["values"] for name, row in rows.items()}
    assert peaks["test_one"] == peaks["test_two"] == [] and peaks["test_three"][0] > 0
    assert [name for name, row in rows.items() if row["conditions"].get("shares its worker")] == [
        "test_one",
        "test_two",
    ]
    judged = {
        (one["benchmark"].rpartition("::")[2], one["metric"]) for one in sessions.saved(tmp_path)["gate"]["comparisons"]
    }
    assert ("test_three", "peak_memory_bytes") in judged
