"""The same suite on several machines, over real ssh: network namespaces of this one, each with an sshd."""

import json
import re
import subprocess
import sys
import venv
from pathlib import Path

import numpy
import pytest
from hosts import hosts
from support import ROOT, wait_until

from pytest_duet.record.history import History


@pytest.fixture
def machines(tmp_path):
    """Two hosts, ``a100…`` and ``h100…``."""
    (tmp_path / "net").mkdir()
    with hosts(tmp_path / "net", "a100", "h100") as made:
        yield made


@pytest.fixture
def start(command, tmp_path):
    """Start the suite on hosts, from this machine, with one thread a trainer; returns the process."""
    running = []

    def run(machines, *arguments, pythons=None, **how):
        cache = {"FRAMEWORK_BENCHMARKS_CACHE": tmp_path / "cache"}
        tx = [f"--tx={host.tx((pythons or {}).get(host.name, sys.executable), **cache)}" for host in machines]
        line, environment = command("--dist=each", *tx, "--threads=1", *arguments, **how)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        running.append(subprocess.Popen(line, cwd=ROOT, env=environment, text=True, **streams))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


def rows(path):
    return {bench["extra_info"]["duet"]["subject"] for bench in json.loads(path.read_text())["benchmarks"]}


def test_every_machine_runs_everything_and_keeps_its_own_results(start, machines, tmp_path):
    process = start(
        machines,
        "--gate",
        f"--gate-json={tmp_path}/gate.json",
        f"--results-csv={tmp_path}/csv",
        frameworks="honest,resident",
    )
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    for host in machines:
        run = json.loads((tmp_path / f"run-{host.name}.json").read_text())
        assert rows(tmp_path / f"run-{host.name}.json") == {"honest", "resident"}
        assert run["machine"] == host.name
        assert run["machine_info"]["fingerprint"]["usable_cores"] >= 1
        assert len(run["gate"]["comparisons"]) == 2 * 4
        assert (
            json.loads((tmp_path / f"gate-{host.name}.json").read_text())["comparisons"] == run["gate"]["comparisons"]
        )
        assert (tmp_path / "csv" / host.name / "results.csv").exists()
        assert f"training epoch, {host.name}'" in output, "pytest-benchmark's table says whose rows they are"
        assert (host.directory / ROOT.name / "conftest.py").exists(), "the suite went along"
    history = History(tmp_path / "storage")
    assert [history.state(history.read(name))[0] for name in history.names()] == ["accepted"] * 2


def test_a_machine_that_dies_costs_its_own_rows(start, machines, tmp_path):
    survivor, victim = machines
    venv.create(tmp_path / "other", symlinks=True)  # a trainer hangs there alone
    (packages,) = (tmp_path / "other").glob("lib/*/site-packages")
    (packages / "same.pth").write_text(str(Path(numpy.__file__).parents[1]))
    process = start(
        machines,
        "--gate",
        frameworks="honest,hangs-there,slow-here",
        pythons={victim.name: tmp_path / "other" / "bin" / "python"},
    )
    saved = tmp_path / "cache" / "hanging"
    wait_until(lambda: saved.exists() or process.poll() is not None, 90)
    victim.lose_power()
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 1, output
    assert rows(tmp_path / f"run-{survivor.name}.json") == {"honest", "hangs-there", "slow-here"}
    assert not (tmp_path / f"run-{victim.name}.json").exists(), "all were in their first round"
    for lost in ("honest", "hangs-there", "slow-here"):
        assert any("FAILED" in line and lost in line and victim.name in line for line in output.splitlines()), output
    assert not any("FAILED" in line and survivor.name in line for line in output.splitlines()), output
    states = {}
    history = History(tmp_path / "storage")
    for name in history.names():
        run = history.read(name)
        states[run.data["machine"]] = history.state(run)[0]
    assert states == {survivor.name: "accepted"}


@pytest.mark.slow
def test_a_machine_that_is_off_from_the_start_costs_its_own_rows(start, machines, tmp_path):
    on, off = machines
    off.lose_power()
    process = start(machines, frameworks="honest")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert rows(tmp_path / f"run-{on.name}.json") == {"honest"}
    assert any("FAILED" in line and off.name in line for line in output.splitlines()), output
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_machine_without_the_suite_s_packages_is_named(start, machines, tmp_path):
    on, bare = machines
    venv.create(tmp_path / "bare", symlinks=True)
    process = start(machines, frameworks="honest", pythons={bare.name: tmp_path / "bare" / "bin" / "python"})
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert rows(tmp_path / f"run-{on.name}.json") == {"honest"}
    assert re.search(rf"FAILED .*{bare.name}", output) and "No module named 'filelock'" in output
    assert "Traceback" not in output


def test_a_machine_that_fails_while_it_starts_is_not_waited_for(start, machines, tmp_path):
    """It has what the first look asks for, and yet its pytest does not come up."""
    on, broken = machines
    venv.create(tmp_path / "broken", symlinks=True)
    (packages,) = (tmp_path / "broken").glob("lib/*/site-packages")
    (packages / "same.pth").write_text(str(Path(numpy.__file__).parents[1]))
    (packages / "sitecustomize.py").write_text(
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'benchmarks.options':\n"
        "            raise ImportError('planted')\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    process = start(machines, "--gate", frameworks="honest", pythons={broken.name: tmp_path / "broken/bin/python"})
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert rows(tmp_path / f"run-{on.name}.json") == {"honest"}
    assert re.search(rf"FAILED .*{broken.name}.*it went while it started", output), output
