"""One worker per GPU or set of cores: measured side by side, saved and judged as one session."""

import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from support import ROOT, left_behind, wait_until

from benchmarks.distributed.machine import beside, framework_of
from benchmarks.distributed.plan import host_of

cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
# Each test of these tests has one core when they run in parallel; then two workers cannot have one each.
two_cores = pytest.mark.skipif(cores < 2 and "PYTEST_XDIST_WORKER" not in os.environ, reason="one core")
TWO = ("-n2", "--cores-per-worker=1")


@pytest.fixture
def spread(suite):
    """Run the suite as ``suite`` does, on all cores of the machine, however few this test may use."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("Linux alone keeps workers to their cores")
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count()))
    yield suite
    os.sched_setaffinity(0, mine)


def notes(run):
    return [json.loads(path.read_text()) for path in (run.directory / "cache" / "where").iterdir()]


@two_cores
def test_two_workers_measure_on_cores_of_their_own_and_make_one_run(spread):
    run = spread(*TWO, "--benchmark-autosave", frameworks="tells-where,tells-where-too")
    assert run.exit_code == 0, run.output
    assert len({tuple(note["cores"]) for note in notes(run)}) == 2
    assert all(len(note["cores"]) == 1 for note in notes(run))
    assert [bench["name"].split("[")[1] for bench in run.json["benchmarks"]] == [
        f"{name}-dataset=synthetic,layer_sizes=784x32x10,workers=2]" for name in ("tells-where", "tells-where-too")
    ], "whoever shares the machine is never compared with one that has it alone"
    for bench in run.json["benchmarks"]:
        row = bench["extra_info"]
        assert (row["workers"], row["threads"]["cores"]) == (2, 1)
        rounds = [epoch["seconds"] for trial in row["trials"] for epoch in trial["epochs"][1:]]
        assert bench["stats"]["data"] == pytest.approx(rounds, rel=1e-9), "the trainers' own times"
    assert run.json["machine_info"]["fingerprint"]["usable_cores"] == 1, "what each of them had"
    assert len(list((run.directory / "storage").glob("*/0*.json"))) == 1
    assert run.output.count("2 tests ---") == 1 and len(re.findall(r"^ tells-where", run.output, re.M)) == 2, run.output
    assert "automatically disabled" not in run.output


@two_cores
def test_the_gate_judges_once_where_all_rows_are(spread):
    run = spread(*TWO, "--gate", frameworks="honest,wrong-rate,resident")
    assert run.exit_code == 1
    cells = {(cell["framework"], cell["metric"]): cell["verdict"] for cell in run.json["gate"]["cells"]}
    assert len(cells) == 3 * 4
    assert {verdict for (framework, _), verdict in cells.items() if framework == "wrong-rate"} == {"void"}
    assert run.json["gate"]["failed_tests"] == 1
    assert len([name for name in run.cases if ".epoch_seconds[" in name]) == 3
    assert run.output.count("gate: 8 no baseline, 4 void") == 1
    outcome, text = run.cases[next(name for name in run.cases if name.startswith("test_training_epoch[wrong-rate"))]
    assert outcome == "failure" and "parity fails" in text


@two_cores
def test_both_sides_take_turns_on_a_worker_s_own_cores(spread):
    run = spread(*TWO, "--against=self", "--epochs=4", "--steps=8", "--max-trials=1", frameworks="honest,resident")
    assert run.exit_code == 0, run.output
    assert {cell["metric"] for cell in run.json["gate"]["cells"]} > {"accuracy", "epoch_seconds"}
    assert {row["against"]["name"] for row in run.rows.values()} == {"self"}


@two_cores
def test_a_pytest_that_is_killed_costs_its_own_row(spread, tmp_path):
    run = spread(*TWO, frameworks="honest,tells-where,kills-its-pytest,resident", timeout=170)
    assert run.exit_code == 1
    assert set(run.rows) == {"honest", "tells-where", "resident"}
    assert re.search(r"worker 'gw\d' crashed while running .*kills-its-pytest", run.output)
    wait_until(lambda: left_behind(tmp_path) == [], 10)


@two_cores
def test_gpus_are_owned_too(spread, tmp_path):
    """With NVML made up: a worker each, `-n auto` counts them, and their cores are an equal share."""
    (tmp_path / "pynvml.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT / 'tests')!r})\nfrom test_slots import Gpus\n"
        "Gpus.models = ('H100', 'H100')\n"
        "sys.modules[__name__] = Gpus(refuses=('nvmlDeviceGetTotalEnergyConsumption', 'nvmlDeviceGetPowerUsage'))\n"
    )
    made_up = {"PYTHONPATH": str(tmp_path)}
    run = spread("-nauto", frameworks="tells-where,tells-where-too", environment=made_up)
    assert run.exit_code == 0, run.output
    assert {note["gpu"] for note in notes(run)} == {"GPU-fake-0", "GPU-fake-1"}
    refused = spread("-n3", environment=made_up)
    assert refused.exit_code == 4 and "there are 2 here. Give -n 2" in refused.output


@two_cores
def test_tests_that_were_left_out_are_no_failures(spread):
    run = spread(*TWO, "--benchmark-disable", "-k", "honest or resident", frameworks="honest,resident,raises")
    assert (run.exit_code, set(run.outcomes)) == (0, {"honest", "resident"}), run.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n2"], r"-n 2: without a GPU for each, workers need cores of their own: --cores-per-worker="),
        (["-n99", "--cores-per-worker=1"], r"-n 99 with 1 cores each: there are \d+ cores here"),
        (["--dist=load", "--tx=ssh=a100", "--tx=ssh=h100"], "--dist=load over several machines: .*chance"),
        (["--dist=each", "--tx=ssh=me@a100", "--tx=ssh=a100"], "--dist=each: a100 is named twice"),
        (["--dist=each", "--tx=2*popen"], "--dist=each: here is named twice"),
        (["--dist=each", "--tx=popen", "--benchmark-compare"], "--benchmark-compare: it goes by names alone"),
        (["-n2", "--cores-per-worker=1", "--shard=1/2", "--run-id=x"], "--shard and xdist's workers: choose one"),
    ],
)
def test_what_would_measure_nothing_is_refused(suite, arguments, message):
    run = suite(*arguments)
    assert run.exit_code == 4
    assert re.search(f"ERROR: {message}", run.output), run.output
    assert "Traceback" not in run.output


def test_a_machine_that_cannot_be_reached_is_named(suite):
    run = suite("--dist=each", "--tx=ssh=no-such-host.invalid")
    assert run.exit_code == 4
    assert "no-such-host.invalid: ssh no-such-host.invalid " in run.output
    assert "Traceback" not in run.output


def test_other_tests_run_in_parallel_as_ever():
    """`pytest tests -n auto` is no session of benchmarks, and asks for no cores."""
    line = [sys.executable, "-m", "pytest", "tests/test_median_interval.py", "-n2", "-p", "no:cacheprovider"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_framework_is_told_from_its_node_id():
    names = ["torch", "torch-compile", "jax"]
    assert framework_of("b/t.py::test[torch-compile-threads=1]", names) == "torch-compile"
    assert framework_of("b/t.py::test[torch-device=cpu]", names) == "torch"
    assert framework_of("b/t.py::test[torch]", names) == "torch"
    assert framework_of("b/t.py::test[mine]", names) == "mine"


def test_files_of_several_machines_stand_side_by_side():
    assert beside("out/gate.json", "a100") == "out/gate-a100.json"
    assert beside("run.json", "user/../x") == "run-user_.._x.json"
    assert beside("run.json", "") == "run.json"
    assert beside(None, "a100") is None


def test_a_machine_is_called_by_its_host():
    def spec(**given):
        return SimpleNamespace(**dict.fromkeys(("ssh", "vagrant_ssh", "socket")), **given)

    assert host_of(SimpleNamespace(ssh="-o A=b me@a100", vagrant_ssh=None, socket=None)) == "a100"
    assert host_of(SimpleNamespace(ssh=None, vagrant_ssh=None, socket="h100:8888")) == "h100:8888"
    assert host_of(spec()) is None
