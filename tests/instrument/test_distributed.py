"""One worker per GPU or set of cores: measured side by side, saved and judged as one session."""

import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from support import ROOT, left_behind, wait_until

from benchmarks.plugin import framework_of
from pytest_duet.distributed import reach
from pytest_duet.distributed.machine_run import beside, on_machine
from pytest_duet.distributed.plan import file_name, host_of
from pytest_duet.errors import DuetError
from pytest_duet.record.history import History

cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
# Each test of these tests has one core when they run in parallel; then two workers cannot have one each.
two_cores = pytest.mark.skipif(cores < 2 and "PYTEST_XDIST_WORKER" not in os.environ, reason="one core")
TWO = ("-n2", "--cores-per-worker=1")


@pytest.fixture
def spread(suite, all_cores):
    """Run the suite as ``suite`` does, on all cores of the machine."""
    return suite


def notes(run):
    return [json.loads(path.read_text()) for path in (run.directory / "cache" / "where").iterdir()]


@two_cores
def test_two_workers_measure_on_cores_of_their_own_and_make_one_run(spread):
    run = spread(*TWO, "--benchmark-autosave", frameworks="tells-where,tells-where-too")
    assert run.exit_code == 0, run.output
    assert len({tuple(note["cores"]) for note in notes(run)}) == 2
    assert all(len(note["cores"]) == 1 for note in notes(run))
    assert all(note["pytest"] == [note["cores"]] for note in notes(run)), "no thread of its pytest strays either"
    assert [bench["name"].split("[")[1] for bench in run.json["benchmarks"]] == [
        f"{name}-dataset=synthetic,layer_sizes=784x32x10,workers=2]" for name in ("tells-where", "tells-where-too")
    ], "whoever shares the machine is never compared with one that has it alone"
    for bench in run.json["benchmarks"]:
        row = bench["extra_info"]
        trials = row["duet"]["trials"]
        assert (row["workers"], row["threads"]["cores"]) == (2, 1)
        rounds = [epoch["seconds"] for trial in trials for epoch in trial["rounds"][1:] if not epoch["audited"]]
        assert bench["stats"]["data"] == pytest.approx(rounds, rel=1e-9), "the trainers' own times"
    assert run.json["machine_info"]["fingerprint"]["usable_cores"] == 1, "what each of them had"
    assert len(list((run.directory / "storage").glob("*/0*.json"))) == 1
    assert run.output.count("2 tests ---") == 1 and len(re.findall(r"^ tells-where", run.output, re.M)) == 2, run.output
    assert "automatically disabled" not in run.output


@two_cores
def test_the_gate_judges_once_where_all_rows_are(spread):
    run = spread(*TWO, "--gate", frameworks="honest,wrong-rate,resident")
    assert run.exit_code == 1
    cells = {(cell["subject"], cell["metric"]): cell["verdict"] for cell in run.json["gate"]["comparisons"]}
    assert len(cells) == 3 * 4
    assert {verdict for (framework, _), verdict in cells.items() if framework == "wrong-rate"} == {"void"}
    assert run.json["gate"]["failed_tests"] == 1
    assert len([name for name in run.cases if ".gate[" in name]) == 3
    assert run.output.count("gate: 8 no baseline, 4 void") == 1
    outcome, text = run.cases[next(name for name in run.cases if name.startswith("test_training_epoch[wrong-rate"))]
    assert outcome == "failure" and "parity fails" in text


@two_cores
@pytest.mark.slow
def test_both_sides_take_turns_on_a_worker_s_own_cores(spread):
    run = spread(*TWO, "--against=self", "--epochs=4", "--steps=8", "--max-trials=1", frameworks="honest,resident")
    assert run.exit_code == 0, run.output
    assert {cell["metric"] for cell in run.json["gate"]["comparisons"]} > {"accuracy", "epoch_seconds"}
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
        f"import sys\nsys.path[:0] = [{str(ROOT / 'tests')!r}, {str(ROOT / 'tests' / 'instrument')!r}]\n"
        "from test_slots import Gpus\n"
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
@pytest.mark.slow
def test_tests_that_were_left_out_are_no_failures(spread):
    run = spread(*TWO, "--benchmark-disable", "-k", "honest or resident", frameworks="honest,resident,raises")
    assert (run.exit_code, set(run.outcomes)) == (0, {"honest", "resident"}), run.output


@two_cores
def test_what_the_controller_is_told_is_what_happened(spread, tmp_path):
    """A file that cannot be collected fails the run; tests of other kinds are no benchmarks."""
    for name, text in (("broken", "import no_such_module\n"), ("plain", "def test_plain():\n    pass\n")):
        (tmp_path / f"test_{name}.py").write_text(text)
    run = spread(*TWO, "--gate", str(tmp_path / "test_broken.py"), str(tmp_path / "test_plain.py"))
    assert run.exit_code == 1
    assert run.json["gate"]["failed_tests"] == 1
    assert {cell["subject"] for cell in run.json["gate"]["comparisons"]} == {"honest"}
    history = History(tmp_path / "storage")
    assert [history.state(history.read(name)) for name in history.names()] == [("pending", "1 tests failed")]


@two_cores
def test_the_first_failure_ends_the_run_as_it_does_without_workers(spread):
    run = spread(*TWO, "-x", "--gate", frameworks="wrong-rate,tells-where,resident")
    assert run.exit_code == 1, run.output
    assert "Interrupted" not in run.output


@pytest.mark.slow
@two_cores
def test_a_run_is_compared_with_its_like(spread):
    spread(*TWO, "--benchmark-autosave")
    again = spread(*TWO, "--benchmark-compare")
    assert "(NOW)" in again.output and "machine_info is different" not in again.output


@two_cores
def test_more_threads_than_a_worker_has_cores_are_refused(spread):
    run = spread(*TWO, "--threads=2")
    assert run.exit_code == 4
    assert "--threads=2: each worker owns 1 cores" in run.output and "Traceback" not in run.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n2"], r"-n 2: without a GPU for each, workers need cores of their own, .* --cores-per-worker="),
        (["-n99", "--cores-per-worker=1"], r"-n 99 with 1 cores each: there are \d+ cores here"),
        (["--dist=load", "--tx=ssh=a100", "--tx=ssh=h100"], "--dist=load over several machines: .*chance"),
        (["--dist=each", "--tx=ssh=me@a100", "--tx=ssh=a100"], "--dist=each: a100 is named twice"),
        (["--dist=each", "--tx=2*popen"], "--dist=each: here is named twice"),
        (["--dist=each", "--tx=ssh=a//id=x", "--tx=ssh=a//id=y"], "--dist=each: a is named twice"),
        (["--dist=each", "--tx=ssh=a//id=p:1", "--tx=ssh=b//id=P_1"], "--dist=each: p_1 is named twice"),
        (["--dist=each", "--tx=popen", "--against=git:HEAD"], "--against=git: other machines get the suite's files"),
        (["-n2", "--cores-per-worker=0"], "--cores-per-worker=0: give 1 or more, and -n"),
        (["--cores-per-worker=1"], "--cores-per-worker=1: give 1 or more, and -n"),
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
    line = [sys.executable, "-m", "pytest", "tests/instrument/test_median_interval.py", "-n2", "-p", "no:cacheprovider"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_framework_is_told_from_its_node_id():
    names, file = ["torch", "torch-compile", "jax"], "benchmarks/test_training.py"
    assert framework_of(f"{file}::test[torch-compile-threads=1]", names) == "torch-compile"
    assert framework_of(f"main/{file}::test[torch-device=cpu]", names) == "torch"
    assert framework_of(f"{file}::test[torch]", names) == "torch"
    assert framework_of(f"{file}::test[mine]", names) is None
    assert framework_of("tests/test_jax.py::test[jax]", names) is None, "no benchmark"


def test_files_of_several_machines_stand_side_by_side():
    assert beside("out/gate.json", "a100") == "out/gate-a100.json"
    assert beside("run.json", "") == "run.json"
    assert beside(None, "a100") is None


def test_what_another_machine_is_called_can_be_part_of_a_file_s_name():
    assert [file_name(name) for name in ("a100", "user/../x", "..", ".x", "p:1")] == [
        "a100",
        "user_.._x",
        "_.",
        "_x",
        "p_1",
    ]


def test_a_test_s_name_says_where_it_ran():
    assert on_machine("b/t.py::test[jax]", "a100") == "b/t.py::test[jax on a100]"
    assert on_machine("b/t.py::gate:baseline", "a100") == "b/t.py::gate:baseline on a100"
    assert on_machine("b/t.py::test[jax]", "") == "b/t.py::test[jax]"


def test_a_command_line_is_made_fit_for_other_machines(tmp_path):
    """xdist takes every word that names a file here for one that it has copied, and fails where it has not."""
    root = tmp_path / "suite"
    for name in ("benchmarks", "tests"):
        (root / name).mkdir(parents=True)
    mine, data = root / "tests" / "mine.py", tmp_path / "data"
    mine.touch()
    data.mkdir()
    words = [
        "benchmarks",
        "-k",
        "tests",
        "--mnist-dir",
        str(data),
        "--framework-path",
        "tests/mine.py",
        "-v",
        "--trials=1",
    ]
    files = ("--framework-path",)
    assert reach.fit(words, ["benchmarks"], root, root, files) == [
        str(root / "benchmarks"),
        "-ktests",
        f"--mnist-dir={data}",
        "--framework-path=tests/mine.py",
        "-v",
        "--trials=1",
    ]
    assert reach.fit([f"--framework-path={mine}"], [], tmp_path, root, files) == ["--framework-path=tests/mine.py"]
    assert reach.fit(["tests/mine.py::test_x"], ["tests/mine.py::test_x"], root, root) == [f"{mine}::test_x"]
    for words, tests in ((["--framework-path=data"], []), (["data"], ["data"])):
        with pytest.raises(DuetError, match=r"data is not in .*suite, and only that goes along"):
            reach.fit(words, tests, tmp_path, root, files)


def test_a_machine_is_called_by_its_host():
    def spec(**given):
        return SimpleNamespace(**dict.fromkeys(("ssh", "vagrant_ssh", "socket")), **given)

    assert host_of(SimpleNamespace(ssh="-o A=b me@a100", vagrant_ssh=None, socket=None)) == "a100"
    assert host_of(SimpleNamespace(ssh=None, vagrant_ssh=None, socket="h100:8888")) == "h100:8888"
    assert host_of(spec()) is None
