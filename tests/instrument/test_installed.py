"""``pip install`` of this repository into an empty environment: the plugin and the commands, without the suite."""

import json
import os
import shutil
import subprocess
import sys
import venv

import pytest
from support import ROOT
from test_items import BESIDE
from test_plugin import MARKED, ORDINARY

pytestmark = [pytest.mark.network, pytest.mark.slow]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return the folder of the programs of an environment that holds the plugin and what it asks for."""
    directory = tmp_path_factory.mktemp("installed")
    venv.create(directory, with_pip=True)
    line = [directory / SCRIPTS / "python", "-m", "pip", "install", "--quiet", f"pytest-duet[report] @ {ROOT.as_uri()}"]
    done = subprocess.run(line, cwd=directory, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return directory / SCRIPTS


@pytest.fixture
def run(installed, tmp_path):
    """Run a program of that environment in a folder far from the repository; returns what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PY")}

    def call(program, *arguments, code=0):
        line = [installed / program, *map(str, arguments)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(line, cwd=tmp_path, env=environment, text=True, timeout=300, **streams)
        assert done.returncode == code, done.stdout
        return done.stdout

    return call


@pytest.fixture
def storage(tmp_path):
    """Return a storage with the runs of the suite that this repository publishes."""
    folder = tmp_path / "storage" / f"Linux-CPython-{sys.version_info[0]}.{sys.version_info[1]}-64bit"
    folder.mkdir(parents=True)
    for number, path in enumerate(sorted((ROOT / "results").glob("*.json")), start=1):
        shutil.copy(path, folder / f"{number:04}_{path.stem}.json")
    return folder.parent


def test_it_brings_nothing_of_the_suite(run, installed):
    (files,) = installed.parent.glob("lib/*/site-packages/pytest_duet-*.dist-info/RECORD")
    names = {line.split("/")[0] for line in files.read_text().splitlines()}
    assert {name for name in names if "dist-info" not in name} == {"pytest_duet"}
    assert all(f"pytest_duet/report/page.{kind}" in files.read_text() for kind in ("html", "css", "js"))
    assert "No module named" in run("python", "-c", "import benchmarks", code=1)
    for heavy in ("torch", "jax", "xdist", "pynvml"):
        assert "No module named" in run("python", "-c", f"import {heavy}", code=1)


def test_pytest_s_help_shows_the_gate_s_options(run):
    text = run("pytest", "--help")
    assert all(f"\n  --{option}" in text for option in ("gate", "against", "gate-margin", "shard", "report"))
    assert "--frameworks" not in text


def test_an_ordinary_benchmark_runs_as_before(run, tmp_path):
    (tmp_path / "test_ordinary.py").write_text(ORDINARY)
    text = run("pytest", "--benchmark-json=run.json")
    assert "1 passed" in text and "check-up" not in text
    assert "fingerprint" not in (tmp_path / "run.json").read_text()


def test_a_conftest_that_names_the_plugin_does_not_register_it_twice(run, tmp_path):
    (tmp_path / "test_ordinary.py").write_text(ORDINARY)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["pytest_duet.plugin"]\n')
    assert "1 passed" in run("pytest")


def test_history_works_on_saved_runs_of_the_suite(run, storage):
    text = run("python", "-m", "pytest_duet", "history", "list", "--storage", storage)
    assert len(text.splitlines()) == len(list((ROOT / "results").glob("*.json"))) + 1
    assert "no such folder" in run("python", "-m", "pytest_duet", "history", "list", "--storage", "nowhere", code=2)


def test_history_works_on_runs_of_other_suites(run, tmp_path):
    (tmp_path / "test_ordinary.py").write_text(ORDINARY)
    run("pytest", "--benchmark-autosave", "--benchmark-storage=file://storage")
    assert "     1  " in run("python", "-m", "pytest_duet", "history", "list", "--storage", "storage")


def test_the_report_and_the_record_of_a_marked_test_need_no_suite(run, storage, tmp_path):
    run("python", "-m", "pytest_duet", "report", "--history", storage, "-o", "report.html")
    assert (tmp_path / "report.html").stat().st_size > 10_000
    (tmp_path / "test_mine.py").write_text(MARKED)
    run("pytest", "--benchmark-json=run.json")
    assert '"fingerprint"' in (tmp_path / "run.json").read_text()


def test_three_lines_of_one_s_own_are_gated(run, tmp_path):
    """The first thing that a user tries: eight runs, then a verdict; and 30 % more work fails."""
    test = "def test_sum(benchmark):\n    assert benchmark(lambda: sum(range(NUMBER)))\n"
    (tmp_path / "test_sum.py").write_text(test.replace("NUMBER", "20_000"))
    for _ in range(8):
        run("pytest", "--gate")
    said = run("pytest", "--gate")  # on a machine of many moods, time may be inconclusive
    assert "clean" in said and "no baseline" not in said and "regressed" not in said
    (tmp_path / "test_sum.py").write_text(test.replace("NUMBER", "26_000"))
    assert "test_sum, time: regressed" in run("pytest", "--gate", code=1)


def test_it_works_beside_other_plugins(run, installed, tmp_path):
    """pytest-randomly's seed goes along; that pytest-cov sees nothing is told; nobody's time is up meanwhile."""
    line = ["-m", "pip", "install", "--quiet", "pytest-randomly==5.1.0", "pytest-cov==7.1.0", "pytest-timeout==2.4.0"]
    subprocess.run([installed / "python", *line], check=True)
    (tmp_path / "test_mine.py").write_text(BESIDE)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntimeout = 2\nfilterwarnings = error\n")
    drawn = []
    for _ in range(2):
        text = run(
            "pytest",
            "--gate",
            "--duet-trials=3",
            "--cov=.",
            "-p",
            "randomly",
            "-p",
            "no:cacheprovider",
            "--randomly-seed=7",
            "--benchmark-json=run.json",
            "-W",
            "ignore::UserWarning",
        )
        assert "--cov sees nothing of tests that call `benchmark`" in " ".join(text.split())
        records = json.loads((tmp_path / "run.json").read_text())["benchmarks"]
        drawn += [record["extra_info"]["drawn"] for record in records if record["name"] == "test_one"]
    assert drawn[0] == drawn[1]
