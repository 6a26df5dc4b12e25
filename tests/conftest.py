"""Runs the suite as its users do, in a process of its own, on a workload that takes milliseconds."""

import dataclasses
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import pytest

# Tests run side by side: with a core and a thread each they do not spin at each other's barriers.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    _cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_cores[int(os.environ["PYTEST_XDIST_WORKER"][2:]) % len(_cores)]})

from sessions import QUICK
from support import ROOT, TRAINERS

from pytest_duet.record.row import Row, worst
from pytest_duet.sensors.cpu import usable_cores
from tests.forked import run_pytest

SMALL = ("--draw=0", "--dataset=synthetic", "--layer-sizes=784,32,10", "--trials=1")
# Other tests run beside these, so a trial is never undisturbed; the tests of the disturbance check set it themselves.
ANY_LOAD = ("--max-foreign-cores=99",)


@pytest.fixture
def all_cores():
    """Let this test, and what it starts, use all cores of the machine, of which each parallel test has but one."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("Linux alone keeps processes to their cores")
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count()))
    yield
    os.sched_setaffinity(0, mine)


@pytest.fixture
def busy_neighbour():
    """A real one: processes that spin for as long as the test lasts, one for each core that the test may use."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(usable_cores())]
    yield
    for each in spinning:
        each.kill()
        each.wait()


@dataclass
class Run:
    """How one run of the suite ended."""

    exit_code: int
    output: str
    directory: Path

    @property
    def json(self):
        return json.loads((self.directory / "run.json").read_text())

    @property
    def rows(self):
        """Each saved ``extra_info``, the instrument's row and the suite's own fields as one, by framework."""
        found = [bench["extra_info"] for bench in self.json["benchmarks"]]
        return {extra_info["duet"]["subject"]: _as_one(extra_info) for extra_info in found}

    @property
    def outcomes(self):
        """``{framework: (outcome, message)}`` as the JUnit file tells."""
        return {
            name.split("[")[1].rstrip("]").split("-dataset")[0]: case
            for name, case in self.cases.items()
            if name.startswith("test_training_epoch[")
        }

    @property
    def cases(self):
        """``{name: (outcome, message)}`` of all tests, the gate's included."""
        cases = ElementTree.parse(self.directory / "junit.xml").iter("testcase")
        return {case.get("name"): _outcome(case) for case in cases}


def _as_one(extra_info):
    """Return the instrument's row and the suite's own fields as one, with the row's ledger under ``memory``."""
    memory = dataclasses.asdict(worst(trial.memory for trial in Row.from_json(extra_info).trials))
    return {**extra_info, **extra_info["duet"], "memory": memory}


def _outcome(case):
    for kind in ("failure", "error", "skipped"):
        found = case.find(kind)
        if found is not None:
            return kind, found.text or found.get("message")
    return "passed", ""


@pytest.fixture(scope="session")
def oracles(tmp_path_factory):
    """The folder of what the oracle has trained: the tests of a session share it, and nothing else of the cache."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "oracle"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def command(tmp_path, oracles):
    """Return the command line and environment of a run whose files all land in ``tmp_path``."""

    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "oracle").symlink_to(oracles)

    def build(*arguments, frameworks="honest", small=True):
        line = [sys.executable, "-m", "pytest", "benchmarks", "-p", "no:cacheprovider", "-rA", "--no-limit"]
        line += list(QUICK)
        line += [f"--benchmark-storage=file://{tmp_path}/storage", f"--junitxml={tmp_path}/junit.xml"]
        line += [f"--benchmark-json={tmp_path}/run.json", *ANY_LOAD]
        line += [f"--writable={tmp_path}"]  # where the liars leave word
        line += [f"--writable={ROOT}"] if "COVERAGE_PROCESS_CONFIG" in os.environ else []  # and coverage its data
        line += [f"--framework-path={TRAINERS}", f"--frameworks={frameworks}"] if frameworks else []
        line += [*(SMALL if small else ()), *arguments]
        ours = ("PYTEST_", "GITHUB_STEP_SUMMARY")  # made-up regressions have no place in CI's summary
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return line, dict(environment, FRAMEWORK_BENCHMARKS_CACHE=str(tmp_path / "cache"), COLUMNS="200")

    return build


@pytest.fixture
def suite(command, tmp_path):
    """Run ``pytest benchmarks`` with the arguments, and return the :class:`Run`."""

    def run(*arguments, timeout=120, environment=None, **how):
        line, inherited = command(*arguments, **how)
        of_pytest = line[line.index("pytest") + 1 :]
        done = run_pytest(of_pytest, ROOT, dict(inherited, **(environment or {})), timeout, together=True)
        return Run(done.returncode, done.stdout, tmp_path)

    return run
