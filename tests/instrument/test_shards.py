"""A run that several hosts share, as its users meet it: a session each, one storage, and what is left of them."""

import json
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_up import AGAINST, JUDGED, METRICS, family, row
from pytest_benchmark.storage.file import FileStorage
from support import ROOT, left_behind, wait_until

from benchmarks.__main__ import main
from pytest_duet.judge.verdict import CLEAN_ERROR
from pytest_duet.plugin import judging
from pytest_duet.plugin.gate import Gate
from pytest_duet.plugin.options import MAX_TRIALS
from pytest_duet.plugin.shard_session import ShardSession, ShardStorage
from pytest_duet.record.history import History
from pytest_duet.record.saved_run import Run
from pytest_duet.record.shard import Shard

QUICK = ("--gate", "--epochs=2")
TWO_TRIALS = (*QUICK, "--trials=2")
SLURM, KUBERNETES = ROOT / "examples" / "slurm.sbatch", ROOT / "examples" / "kubernetes-job.yaml"


@pytest.fixture
def shard(command, tmp_path):
    """Start a shard; its files are its own, but for the storage."""

    def start(number, of, *arguments, **how):
        line, environment = command(*arguments, f"--shard={number}/{of}", "--run-id=nightly-7", **how)
        line = [
            text.replace("/run.json", f"/run-{number}.json").replace("/junit.xml", f"/junit-{number}.xml")
            for text in line
        ]
        return subprocess.Popen(
            line, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    return start


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Where the two shards of these tests are kept; run once."""
    return tmp_path_factory.mktemp("made") / "storage"


@pytest.fixture
def storage(shard, made, tmp_path):
    """Return a storage with the two shards of a run of two benchmarks, which ran at the same time."""
    if not made.exists():
        both = [shard(number, 2, *TWO_TRIALS, frameworks="honest,wants-numpy") for number in (1, 2)]
        outputs = [process.communicate(timeout=120)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0], outputs
        assert "shard 2/2 of run nightly-7: 1 of 2 benchmarks" in outputs[1]
        shutil.copytree(tmp_path / "storage", made)
        shutil.rmtree(tmp_path / "storage")
    return Path(shutil.copytree(made, tmp_path / "storage"))


@pytest.fixture
def merge(tmp_path, capsys):
    def call(*arguments):
        code = main(["history", "merge", f"--storage={tmp_path / 'storage'}", *arguments])
        return code, capsys.readouterr().out

    return call


def shards_of(storage):
    return [json.loads(path.read_text()) for path in sorted(storage.glob("shards/nightly-7/*/*.json"))]


def only_run(storage):
    history = History(storage)
    (name,) = history.names()
    return history.read(name)


def test_two_shards_at_once_are_the_whole_run(storage, merge, suite):
    assert History(storage).names() == [], "a shard is no run"
    assert merge()[0] == 0
    run = only_run(storage)
    whole = suite(*TWO_TRIALS, "--collect-only", "-q", frameworks="honest,wants-numpy").output
    collected = re.findall(r"^benchmarks/\S+::test_training_epoch\[\S+\]$", whole, re.MULTILINE)
    assert sorted(run.rows) == sorted(collected) and len(collected) == 2
    one, two = shards_of(storage)
    assert [*one["shard"]["outcomes"].values(), *two["shard"]["outcomes"].values()] == ["measured", "measured"]
    assert one["shard"]["planned"] == two["shard"]["planned"] == sorted(collected)
    assert {one.benchmark for one in run.comparisons} == set(collected)
    assert len(run.comparisons) == 8
    assert History(storage).state(run) == ("accepted", "")
    documented = (ROOT / "RESULTS.md").read_text()
    assert all(f"`{field}`" in documented for field in (*one["shard"], *run.data["merged"]))
    assert "answers" in one and "answers" not in run.data, "one shard's would not be the run's"


def test_the_merged_run_is_one_for_every_tool(storage, merge, tmp_path, capsys):
    merge()
    line = [sys.executable, "-m", "pytest_benchmark", f"--storage={storage}", "compare", "0001"]
    compared = subprocess.run(line, cwd=tmp_path, text=True, capture_output=True)
    assert compared.returncode == 0
    assert "test_training_epoch[honest" in compared.stdout and "test_training_epoch[wants-numpy" in compared.stdout
    assert main(["history", "list", f"--storage={storage}"]) == 0
    assert "     1  " in capsys.readouterr().out
    assert main(["history", "show", "1", f"--storage={storage}"]) == 0
    assert "wants-numpy" in capsys.readouterr().out
    assert main(["report", "--history", str(storage), "-o", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "honest" in page and "wants-numpy" in page


def test_a_shard_is_as_sure_as_the_whole_run_would_be(storage, merge, shard, suite):
    """A whole run's chance of a false alarm is shared out: two shards of one benchmark each have a half of it each."""
    merge()
    (first,) = storage.glob("*/0001_nightly-7.json")
    for number in range(2, 10):
        first.with_name(f"{number:04}_copy.json").write_bytes(first.read_bytes())
    process = shard(1, 2, *TWO_TRIALS, frameworks="honest,wants-numpy")
    output = process.communicate(timeout=120)[0]
    assert "Vanished" not in output, "the other shard has it"
    last = max(storage.glob("shards/nightly-7/*/0001_*.json"), key=lambda path: path.stat().st_mtime)
    found = {one.metric: one for one in Run.from_json(last.name, json.loads(last.read_text())).comparisons}
    assert {one.subject for one in found.values()} == {"honest"}
    for name in JUDGED:
        assert found[name].alpha in (family("ab").alpha(METRICS[name]), CLEAN_ERROR, None)
    assert found["peak_memory_bytes"].alpha and found["peak_memory_bytes"].runs == 9


def test_paired_trials_of_a_shard_share_the_error_too(pytestconfig):
    values = {metric: [1e9, 2e9] * 8 for metric in JUDGED}
    found = row("jax", values, old={metric: [2e9, 1e9] * 8 for metric in JUDGED})
    options = SimpleNamespace(
        against="self",
        mode="against",
        max_trials=MAX_TRIALS,
        history=False,
        metrics=METRICS,
        error="any",
        alpha=None,
        work="report",
    )
    alphas = []
    for of_run in (0, 4):
        gate = Gate(options, pytestconfig)
        gate.rows, gate.margins, gate.benchmarks_of_run = {"a": found}, {"a": AGAINST}, of_run
        alphas.append([one.alpha for one in judging.judge_session(gate).comparisons if one.alpha])
    assert alphas[1] == [alpha / 4 for alpha in alphas[0]]
    assert alphas[1][0] == family("abcd").alpha(METRICS["epoch_seconds"])


def test_a_shard_without_a_benchmark_passes_and_says_that_it_was_there(shard, merge, tmp_path):
    last = shard(2, 2, *QUICK)
    output = last.communicate(timeout=120)[0]
    assert last.returncode == 0, output
    assert "shard 2/2 of run nightly-7: 0 of 1 benchmarks, so nothing to do" in output
    code, said = merge()
    assert code == 1 and re.search(r"  missing: \S+\[honest\S*\], of shard 1/2\n", said)
    first = shard(1, 2, *QUICK)
    assert first.wait(120) == 0
    assert merge()[0] == 0
    assert (tmp_path / "run-2.json").exists(), "also where the files are collected as artifacts"


def test_a_shard_whose_benchmarks_fail_or_are_skipped_is_not_one_that_died(shard, merge, tmp_path):
    process = shard(1, 1, *QUICK, frameworks="wrong-rate,wants-a-module")
    assert "Saved benchmark data" in process.communicate(timeout=120)[0]
    assert process.returncode == 1
    (saved,) = shards_of(tmp_path / "storage")
    skipped, failed = saved["shard"]["outcomes"].values()
    assert skipped.startswith("skipped: ") and "no_such_module" in skipped
    assert failed.startswith("failed: wrong-rate: parity fails")
    assert merge()[0] == 0
    run = only_run(tmp_path / "storage")
    assert History(tmp_path / "storage").state(run)[0] == "pending" and run.data["merged"]["missing"] == []


def test_an_interrupted_shard_saves_what_it_has(shard, merge, tmp_path):
    """As Slurm interrupts it, two minutes before its time is up."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell's background job ignores
    process = shard(1, 1, "--epochs=2", frameworks="hangs,honest")
    wait_until(lambda: (tmp_path / "cache" / "hanging").exists(), 60)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 2
    code, said = merge()
    assert (code, re.findall(r"missing: \S+\[(\w+)", said)) == (1, ["hangs"])
    run = only_run(tmp_path / "storage")
    assert [row.subject for row in run.rows.values()] == ["honest"] and run.gate.interrupted


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--shard=3/2", "--run-id=x"), "--shard=3/2: give K/N, such as 2/4, with K from 1 to N."),
        (("--shard=1/2",), "--shard: give --run-id, too"),
    ],
)
def test_nonsense_is_a_usage_error_in_one_line(suite, arguments, text):
    run = suite(*arguments)
    assert run.exit_code == 4
    errors = [line for line in run.output.splitlines() if line.startswith("ERROR: ")]
    assert len(errors) == 1 and text in errors[0] and "Traceback" not in run.output


def test_a_shard_that_was_started_again_overwrites_nothing(tmp_path):
    theirs = FileStorage(tmp_path, logging.getLogger(), "Linux-CPython-3.11-64bit")
    for attempt in (1, 2):
        ShardStorage(theirs, Shard("nightly-7", 2, 4)).save({"attempt": attempt}, "same-name")
    paths = list(tmp_path.glob("shards/nightly-7/Linux-CPython-3.11-64bit/0002_same-name-*.json"))
    assert sorted(json.loads(path.read_text())["attempt"] for path in paths) == [1, 2]
    assert not list(tmp_path.rglob(".lock")), "not every shared file system has locks"


def test_only_storage_in_files_will_do():
    config = SimpleNamespace(_benchmarksession=SimpleNamespace(storage="elsewhere", disabled=False))
    with pytest.raises(pytest.UsageError, match="--shard: it needs runs in files"):
        ShardSession(config, Shard("x", 1, 2)).pytest_sessionstart()


# The examples, as documented

SBATCH = f"""#!{sys.executable}
'''Slurm's sbatch, as far as the example needs it: an array's jobs, of which the first one's node dies.'''
import os, re, signal, subprocess, sys, time
from pathlib import Path

given = sys.argv[1:]
if "--wrap" in given:
    assert given[0] == "--dependency=afterany:4711", given
    sys.exit(subprocess.call(["bash", "-c", given[given.index("--wrap") + 1]]))
assert given[0] == "--parsable", given
last = int(re.search(r"^#SBATCH --array=1-(\\d+)$", Path(given[1]).read_text(), re.MULTILINE)[1])
about = dict(os.environ, SLURM_ARRAY_JOB_ID="4711", SLURM_ARRAY_TASK_COUNT=str(last))
mark = Path(os.environ["FRAMEWORK_BENCHMARKS_CACHE"]) / "hanging"
for number in range(1, last + 1):  # not at once: the timing of tests that run side by side is nobody's
    job = subprocess.Popen(["bash", *given[1:]], env=dict(about, SLURM_ARRAY_TASK_ID=str(number)), stdout=sys.stderr)
    while number == 1 and not mark.exists():
        time.sleep(0.05)
    if number == 1:
        job.send_signal(signal.SIGKILL)
    print(f"job {{number}} ended with {{job.wait()}}", file=sys.stderr)
print("4711")
"""


def test_the_slurm_example_survives_a_node_that_dies(command, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sbatch").write_text(SBATCH)
    (tmp_path / "bin" / "sbatch").chmod(0o755)
    line, environment = command(*QUICK, frameworks="hangs,honest,wants-numpy")
    arguments = [
        text for text in line[4:] if not text.startswith(("--benchmark-storage", "--junitxml", "--benchmark-json"))
    ]
    documented = "\n".join(text[4:] for text in SLURM.read_text().splitlines() if text.startswith("#   "))
    script = documented.replace("$PWD/.benchmarks", str(tmp_path / "storage"))
    script = script.replace("slurm.sbatch)", f"slurm.sbatch {shlex.join(arguments)})")
    path = os.pathsep.join([str(tmp_path / "bin"), str(Path(sys.executable).parent), environment["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=dict(environment, PATH=path), text=True, capture_output=True, timeout=120
    )
    assert "job 1 ended with -9" in done.stderr, done.stderr
    assert done.returncode == 1, "something is missing"
    lost = re.findall(r"^  missing: \S+\[(\w+)-\S+\], of shard 1/4$", done.stdout, re.MULTILINE)
    assert lost == ["hangs"], done.stdout
    run = only_run(tmp_path / "storage")
    assert {row.subject for row in run.rows.values()} == {"wants-numpy", "honest"}, done.stderr
    assert run.why_pending == "1 of its benchmarks are missing"
    wait_until(lambda: not left_behind(tmp_path), 30)


def test_the_slurm_example_asks_for_what_it_must():
    text = SLURM.read_text()
    assert subprocess.run(["bash", "-n", SLURM]).returncode == 0
    for option in ("--array=1-4", "--exclusive", "--gpus=1", "--signal=B:INT@120", "--time=02:00:00"):
        assert f"\n#SBATCH {option}\n" in text
    assert text.index("\nexec ") > text.rindex("#SBATCH"), "sbatch reads no option after the first command"


def test_the_kubernetes_example_is_an_indexed_job_and_a_merge():
    yaml = pytest.importorskip("yaml")
    shards, merging = yaml.safe_load_all(KUBERNETES.read_text().replace("RUN_ID", "nightly-7"))
    assert [job["metadata"]["name"] for job in (shards, merging)] == ["benchmarks-nightly-7", "merge-nightly-7"]
    spec = shards["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 4)
    assert spec["backoffLimitPerIndex"] == 1, "else the first few failures would end all shards"
    pod, (container,) = spec["template"]["spec"], spec["template"]["spec"]["containers"]
    assert pod["restartPolicy"] == "Never", "which backoffLimitPerIndex asks for"
    assert spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["containerName"] == container["name"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 1}
    assert {"name": "SHARDS", "value": str(spec["completions"])} in container["env"]
    assert merging["spec"]["suspend"] is True
    for job in (shards, merging):
        (mount,) = job["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
        (volume,) = job["spec"]["template"]["spec"]["volumes"]
        assert (mount["mountPath"], mount["name"]) == ("/storage", volume["name"])


def test_the_kubernetes_example_s_commands_are_ones_that_the_suite_knows(tmp_path):
    yaml = pytest.importorskip("yaml")
    shards, merging = yaml.safe_load_all(KUBERNETES.read_text().replace("RUN_ID", "nightly-7"))
    (tmp_path / "python").write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    (tmp_path / "python").chmod(0o755)
    (container,) = shards["spec"]["template"]["spec"]["containers"]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "JOB_COMPLETION_INDEX": "2"}
    environment |= {variable["name"]: variable["value"] for variable in container["env"]}
    said = subprocess.run(container["command"], env=environment, text=True, capture_output=True).stdout.split()
    assert said[:5] == ["-m", "pytest", "benchmarks", "--shard", "3/4"]
    assert said[5:] == ["--run-id", "nightly-7", "--benchmark-storage", "file:///storage"]
    (merge,) = merging["spec"]["template"]["spec"]["containers"]
    assert merge["command"][:5] == ["python", "-m", "benchmarks", "history", "merge"]
    assert merge["command"][5:] == ["--storage", "/storage", "--run-id", "nightly-7"]
