"""Sessions that save at the same moment, or are killed meanwhile, lose nothing, and there is a run 10000."""

import json
import logging
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import sessions
from made_runs import FOLDER, run
from pytest_benchmark.storage.file import FileStorage
from support import ROOT, wait_until

from pytest_duet.atomic import atomic_write
from pytest_duet.errors import DuetError
from pytest_duet.plugin.recording import SafeStorage
from pytest_duet.record import storage
from pytest_duet.record.storage import lock

SAVER = """
import json, logging, os, sys, time
from pathlib import Path
from pytest_duet.plugin.recording import SafeStorage

directory, name, count = sys.argv[1:]
storage = SafeStorage(directory, logging.getLogger(), "FOLDER")
(Path(directory) / f"{name}.ready").touch()
while not (Path(directory) / "go").exists():
    time.sleep(0.001)
for number in range(int(count)):
    storage.save({"benchmarks": [], "saved": f"{name} {number}"}, name)
""".replace("FOLDER", FOLDER)
# It dies when all bytes are written and the file has yet to get its name.
KILLED = "import os, signal; os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)"


def saver(directory, name, count, first=""):
    return subprocess.Popen([sys.executable, "-c", first + SAVER, directory, name, str(count)], cwd=ROOT)


def open_storage(directory, kind=SafeStorage):
    return kind(directory, logging.getLogger(), FOLDER)


def numbers(found):
    return [int(path.name.partition("_")[0]) for path, _ in found]


def test_eight_sessions_that_save_at_once_lose_nothing(tmp_path):
    savers = [saver(tmp_path, f"session{number}", 5) for number in range(8)]
    wait_until(lambda: len(list(tmp_path.glob("*.ready"))) == 8, 60)
    (tmp_path / "go").touch()
    assert [process.wait(60) for process in savers] == [0] * 8
    found = list(open_storage(tmp_path).load())
    assert numbers(found) == list(range(1, 41))
    assert {data["saved"] for _, data in found} == {f"session{s} {n}" for s in range(8) for n in range(5)}


def test_a_session_killed_while_saving_leaves_no_half_run(tmp_path):
    open_storage(tmp_path).save(run(), "before")
    (tmp_path / "go").touch()
    assert saver(tmp_path, "killed", 1, first=KILLED).wait(60) == -signal.SIGKILL
    (left,) = (tmp_path / FOLDER).glob(".*killed*")
    assert left.suffix == ".tmp", "where no pattern for runs finds it"
    later = open_storage(tmp_path)
    later.save(run(), "after")
    assert [path.name for path, _ in later.load()] == ["0001_before.json", "0002_after.json"]


def test_after_run_9999_there_are_more(tmp_path):
    kept = open_storage(tmp_path)
    kept.save(run(), "first")
    (tmp_path / FOLDER / "9999_made.json").write_text(json.dumps(run()))
    kept.save(run(), "later")
    kept.save(run(), "latest")
    assert numbers(kept.load()) == [1, 9999, 10000, 10001]
    assert [path.name for path, _ in kept.load("10000")] == ["10000_later.json"]
    assert [path.name for path in kept.query()][-1] == "10001_latest.json", "what --benchmark-compare takes"


def test_a_run_s_name_may_hold_what_looks_like_a_number(tmp_path):
    kept = open_storage(tmp_path)
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "notes.json").write_text("{}")
    (tmp_path / FOLDER / "12_345_6.json").write_text("{}")
    kept.save(run(), "2026_0099")
    kept.save(run(), "next")
    assert numbers(kept.load()) == [1, 2]


def test_pytest_benchmark_s_own_storage_reads_what_was_saved(tmp_path):
    open_storage(tmp_path).save(run(), "ours")
    theirs = open_storage(tmp_path, FileStorage)
    ((path, data),) = theirs.load()
    assert (path.as_posix(), data["benchmarks"][0]["name"]) == (
        f"{FOLDER}/0001_ours.json",
        "test_training_epoch[jax]",
    )
    theirs.save(run(), "theirs")
    assert numbers(open_storage(tmp_path).load()) == [1, 2]
    (benchmark, _) = theirs.load_benchmarks()
    assert benchmark["median"] == 1.0


def test_a_folder_outside_the_working_directory_has_a_location(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert open_storage(tmp_path / "there").location == "../there"
    assert open_storage(tmp_path / "here" / "runs").location == "runs"


def test_a_storage_that_somebody_else_holds_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "LOCK_SECONDS", 0.1)
    kept = open_storage(tmp_path)
    with (
        lock(kept.get("")),
        pytest.raises(DuetError, match=rf"{FOLDER}/\.lock has been held by another session for 0\.1 s\. .*end that"),
    ):
        kept.save(run(), "late")
    assert list(kept.load()) == []
    kept.save(run(), "free")
    assert numbers(kept.load()) == [1]


TEST = {"test_mine.py": "def test_mine(benchmark):\n    benchmark(sum, [1, 2])\n"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_a_full_disk_loses_no_run(tmp_path):
    """What could not be saved is said, with the reason, and kept elsewhere; the session does not end as if it were."""
    (tmp_path / "spare").mkdir()
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / storage.platform_folder(platform_of())).write_text("in the way")
    asked = ("--duet-trials=1", "--benchmark-save=mine", f"--benchmark-storage=file://{tmp_path}/storage")
    spare = {"TMPDIR": str(tmp_path / "spare")}
    done = sessions.run(tmp_path, TEST, *asked, "--benchmark-json=/dev/full", code=1, environment=spare)
    said = " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout + done.stderr
    assert "/dev: the run could not be saved there (No space left on device" in said
    assert "the run could not be saved there (File exists" in said
    kept = sorted((tmp_path / "spare").glob("rescued-*.json"))
    assert len(kept) == 2 and all(json.loads(path.read_text())["benchmarks"][0]["name"] == "test_mine" for path in kept)
    assert all(str(path) in done.stdout.replace("\n", "") for path in kept)


def test_a_run_that_can_be_kept_nowhere_is_said_to_be_lost(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "atomic_write", full)
    with pytest.warns(UserWarning, match="No space left on device, .* KiB free where .* it is lost"):
        open_storage(tmp_path).save(run(), "mine")


def test_a_json_file_may_be_a_device(tmp_path):
    done = sessions.run(tmp_path, TEST, "--duet-trials=1", "--benchmark-json=/dev/stdout", fresh=True)
    assert '"benchmarks": [' in done.stdout


def test_an_open_file_is_added_to_and_not_replaced(tmp_path):
    """``pytest --benchmark-json=/dev/stdout > FILE`` by root would leave the machine without a /dev/stdout."""
    with open(tmp_path / "printed", "wb", buffering=0) as printed:
        printed.write(b"before ")
        atomic_write(f"/dev/fd/{printed.fileno()}", b"data")
    assert (tmp_path / "printed").read_bytes() == b"before data"


def test_an_open_file_by_its_other_name(tmp_path):
    """As ``/dev/stdout`` is, a link into /proc."""
    with open(tmp_path / "printed", "wb", buffering=0) as printed:
        printed.write(b"before ")
        (tmp_path / "stdout").symlink_to(f"/proc/self/fd/{printed.fileno()}")
        atomic_write(tmp_path / "stdout", b"data")
    assert (tmp_path / "stdout").is_symlink() and (tmp_path / "printed").read_bytes() == b"before data"


def test_a_link_among_devices_is_no_device():
    """``/dev/shm`` holds files: a second writing of one replaces the first."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        (Path(folder) / "latest.json").symlink_to("run.json")
        for data in (b"old", b"new"):
            atomic_write(Path(folder) / "latest.json", data)
        assert (Path(folder) / "run.json").read_bytes() == b"new"


def test_a_link_stays_one(tmp_path):
    (tmp_path / "latest.json").symlink_to("run.json")
    atomic_write(tmp_path / "latest.json", b"data")
    assert (tmp_path / "latest.json").is_symlink() and (tmp_path / "run.json").read_bytes() == b"data"


def platform_of():
    import platform

    return {
        "python_version": platform.python_version(),
        "python_implementation": platform.python_implementation(),
        "machine": platform.machine(),
        "system": platform.system(),
    }
