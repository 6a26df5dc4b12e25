"""A worker's end is read right, whatever it was."""

import sys

import pytest
from support import TRAINERS, left_behind

from benchmarks.trainer_runner import SUBJECT
from benchmarks.workload.spec import Workload
from pytest_duet.sensors import memory
from pytest_duet.workers import process as client
from pytest_duet.workers.process import Worker
from pytest_duet.workers.protocol import NotInstalled, WorkerError

SMALL = Workload(dataset="synthetic", layer_sizes=(784, 10), epochs=2)


def open_(worker, class_name, requires=()):
    return worker.open(
        location=f"{TRAINERS}:{class_name}",
        requires=list(requires),
        workload=SMALL.as_dict(),
        data_directory=None,
        device="cpu",
    )


def test_the_out_of_memory_killer_is_named(monkeypatch):
    kills = iter([3, 4])
    monkeypatch.setattr(memory, "out_of_memory_kills", lambda: next(kills))
    with Worker("greedy", SUBJECT) as worker:
        open_(worker, "Killed")
        with pytest.raises(WorkerError, match="greedy: the worker died of SIGKILL during round; .*needs more mem"):
            worker.round(1)


def test_an_interpreter_that_is_not_there(tmp_path):
    with pytest.raises(WorkerError, match="torch: its worker did not start: .*No such file.*nowhere"):
        Worker("torch", SUBJECT, python=str(tmp_path / "nowhere"))


def test_an_interpreter_without_the_suite_s_packages(tmp_path):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E "$@"\n')  # neither site-packages nor PYTHONPATH
    bare.chmod(0o755)
    with (
        Worker("old", SUBJECT, python=str(bare)) as worker,
        pytest.raises(WorkerError, match=r"old: the worker exited with code 1 during open[\s\S]*No module named"),
    ):
        open_(worker, "Honest")


def test_a_missing_module_is_named_with_the_interpreter():
    with (
        Worker("caffe2", SUBJECT) as worker,
        pytest.raises(NotInstalled, match=f"caffe2: no_such_module not installed in {sys.executable}"),
    ):
        open_(worker, "Honest", requires=["sys", "no_such_module"])


def test_a_worker_outlives_what_its_trainer_raises():
    with Worker("any", SUBJECT) as worker:
        open_(worker, "Raises")
        with pytest.raises(WorkerError, match="raised RuntimeError in round"):
            worker.round(1)
        assert worker.examine(last=True).metrics["own_accuracy"] >= 0


def test_only_the_end_of_a_long_log_is_shown():
    with Worker("any", SUBJECT) as worker:
        open_(worker, "Verbose")
        with pytest.raises(WorkerError) as caught:
            worker.round(1)
    assert "line 9999" in str(caught.value)
    assert str(caught.value).count("line ") == client.LOG_LINES


def test_a_worker_that_is_to_hurry_is_given_no_more_time_than_it_had():
    with Worker("any", SUBJECT, timeout_seconds=7) as worker:
        worker.hurry(9)
        assert worker.timeout_seconds == 7
        worker.hurry(5)
        assert worker.timeout_seconds == 5


def test_scratch_and_process_are_gone_afterwards(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("FRAMEWORK_BENCHMARKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", None)
    with Worker("any", SUBJECT) as worker:
        open_(worker, "Breeds")
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []
    assert [process for process in left_behind(tmp_path) if process.pid == worker.pid] == []
