"""Tests that share their workers, and with them the fixtures of their module or of the session."""

import collections

import pytest
import sessions

SMALL = ("--turn-seconds=0.001", "--duet-max-foreign-cores=99")
TESTS = """
import os
import pytest

def note(what):
    with open(os.environ["NOTES"], "a") as file:
        print(what, os.getpid(), file=file)

@pytest.fixture(scope="module")
def heavy():
    note("built")
    yield 3
    note("ended")

@pytest.fixture
def light():
    note("light")
    yield
    note("dark")

@pytest.mark.parametrize("number", [1, 2, 3])
def test_shares(benchmark, heavy, light, number):
    assert benchmark(sum, [heavy, number]) == 3 + number
"""
SHARING = f"""{TESTS}
pytestmark = pytest.mark.duet(isolation="module")
"""


def notes(folder):
    """Return the processes that noted each of these, by what they noted."""
    found = collections.defaultdict(list)
    for line in (folder / "notes").read_text().splitlines():
        what, pid = line.split()
        found[what].append(pid)
    return found


def session(folder, files, *arguments, code=0):
    return sessions.run(folder, files, *SMALL, *arguments, environment={"NOTES": f"{folder}/notes"}, code=code)


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [(("--against=self", "--max-trials=2"), 2 * 3), (("--gate", "--history-alone", "--duet-trials=2"), 3)],
    ids=["turns", "history"],
)
def test_a_module_s_fixture_is_built_once_a_worker(tmp_path, arguments, workers):
    """In the one that the tests are looked at in, and in each trial's, on each side."""
    session(tmp_path, {"test_mine.py": SHARING}, *arguments)
    found = notes(tmp_path)
    assert len(set(found["built"])) == len(found["built"]) == workers
    assert sorted(found["ended"]) == sorted(found["built"]), "each was torn down, too"
    assert len(found["light"]) == len(found["dark"]) == 3 * workers, "a test's own fixtures are its own"
    rows = [record["extra_info"]["duet"] for record in sessions.records(tmp_path).values()]
    assert len(rows) == 3 and all(len(row["trials"]) == 2 for row in rows)
    assert all(row["conditions"]["shares its worker"] for row in rows)


def test_all_tests_of_a_session_share_one(tmp_path):
    """The module's fixtures end where another module's test comes."""
    conftest = "import os\nimport pytest\n" + "@pytest.fixture(scope='session', autouse=True)\ndef whole():\n"
    conftest += "    with open(os.environ['NOTES'], 'a') as file:\n        print('session', os.getpid(), file=file)\n"
    files = {"test_mine.py": TESTS, "test_other.py": TESTS, "conftest.py": conftest}
    files["pytest.ini"] = "[pytest]\nduet_isolation = session\n"
    session(tmp_path, files, "--against=self", "--max-trials=1")
    found = notes(tmp_path)
    inside = collections.Counter(found["session"])
    assert len([pid for pid in inside if pid in found["built"]]) == 2 * 2, "a look and a trial on each side"
    assert set(collections.Counter(found["built"]).values()) == {2}, "once for each module"


FAULTY = f"""{SHARING}
def test_dies(benchmark, heavy):
    os._exit(7) if "DUET_PADDING" in os.environ else None

def test_fails(benchmark, heavy):
    assert benchmark(sum, [heavy]) == 4

def test_last(benchmark, heavy):
    benchmark(sum, [heavy])
"""


@pytest.mark.parametrize(
    "arguments", [("--against=self", "--max-trials=1"), ("--gate", "--duet-trials=2")], ids=["turns", "history"]
)
def test_what_one_of_them_does_costs_no_other(tmp_path, arguments):
    session(tmp_path, {"test_mine.py": FAULTY}, *arguments, code=1)
    cases = sessions.cases(tmp_path)
    kind, text = cases["test_dies"]
    assert kind == "failure" and "exited with code 7" in text
    kind, text = cases["test_fails"]
    assert kind == "failure" and "assert 3 == 4" in text
    assert {name: kind for name, (kind, _) in cases.items() if name.startswith(("test_shares[", "test_last"))} == {
        **{f"test_shares[{number}]": "passed" for number in (1, 2, 3)},
        "test_last": "passed",
        "test_last.gate": "skipped",
    }


def test_a_shared_fixture_that_fails_at_its_end_is_told(tmp_path):
    tests = SHARING.replace('    note("ended")', '    raise RuntimeError("it does not end well")')
    session(tmp_path, {"test_mine.py": tests}, "--against=self", "--max-trials=1", code=1)
    assert "it does not end well" in next(text for kind, text in sessions.cases(tmp_path).values() if kind == "failure")


def test_a_scope_that_is_none_is_refused(tmp_path):
    done = session(tmp_path, {"test_mine.py": SHARING.replace('"module"', '"package"')}, "--gate", code=4)
    assert "isolation='package' is none of test, module, session" in done.stderr


def test_each_worker_of_xdist_runs_its_own_tests_alone(tmp_path, all_cores):
    session(tmp_path, {"test_mine.py": SHARING}, "--duet-trials=2", "-n2", "--cores-per-worker=1")
    assert len(notes(tmp_path)["light"]) == 3 * (1 + 2), "nobody runs another's, or shares with it"
