"""CI's history: a branch that runs are only ever added to."""

import shutil
import subprocess

import pytest
from support import ROOT

KEEP, FETCH = ROOT / ".ci" / "keep-history", ROOT / ".ci" / "fetch-history"

pytestmark = pytest.mark.skipif(not shutil.which("git") or not shutil.which("bash"), reason="needs git and bash")


@pytest.fixture
def remote(tmp_path):
    path = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", path], check=True)
    return path


def keep(remote, folder, script=KEEP):
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HISTORY_REMOTE": str(remote), "HOME": str(folder.parent)}
    return subprocess.Popen([script, folder], env=environment, stderr=subprocess.PIPE, text=True)


def folder_with(path, **files):
    for name, text in files.items():
        file = path / "Linux" / f"000{name[-1]}_{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (path / "Linux" / ".lock").touch()
    return path


def kept(remote):
    """Return the text of every file on the branch, by its name."""
    run = ["git", "--git-dir", remote]
    listed = subprocess.run(
        [*run, "ls-tree", "-r", "--name-only", "benchmark-history"], text=True, check=True, capture_output=True
    )
    show = [*run, "show"]
    return {
        name: subprocess.run([*show, f"benchmark-history:{name}"], text=True, check=True, capture_output=True).stdout
        for name in listed.stdout.splitlines()
    }


def test_the_first_run_makes_the_branch_and_later_ones_are_added(remote, tmp_path):
    assert keep(remote, folder_with(tmp_path / "a", run1="1")).wait() == 0
    assert keep(remote, folder_with(tmp_path / "b", run1="1", run2="2")).wait() == 0
    assert kept(remote) == {"Linux/0001_run1.json": "1", "Linux/0002_run2.json": "2"}
    assert keep(remote, folder_with(tmp_path / "b")).wait() == 0, "nothing new is no failure"


def test_what_is_kept_is_never_overwritten(remote, tmp_path):
    keep(remote, folder_with(tmp_path / "a", run1="1")).wait()
    assert keep(remote, folder_with(tmp_path / "b", run1="forged", run2="2")).wait() == 0
    assert kept(remote) == {"Linux/0001_run1.json": "1", "Linux/0002_run2.json": "2"}


def test_two_jobs_at_the_same_moment_lose_nothing(remote, tmp_path):
    keep(remote, folder_with(tmp_path / "a", run1="1")).wait()
    jobs = [keep(remote, folder_with(tmp_path / name, **{name: name})) for name in ("run2", "run3")]
    assert [job.wait() for job in jobs] == [0, 0]
    assert set(kept(remote)) == {"Linux/0001_run1.json", "Linux/0002_run2.json", "Linux/0003_run3.json"}


def test_a_remote_that_cannot_be_reached_is_a_failure(tmp_path):
    job = keep(tmp_path / "nowhere.git", folder_with(tmp_path / "a", run1="1"))
    assert job.wait() != 0
    assert "nowhere.git" in job.stderr.read()


def test_nothing_but_runs_is_taken_from_the_runner(remote, tmp_path):
    """What ran there may have left anything: git settings that run a command, decisions, a link out of the folder."""
    folder = folder_with(tmp_path / "a", run1="1")
    (folder / ".git" / "x").mkdir(parents=True)
    (folder / ".git" / "commondir").write_text("x")
    (folder / ".git" / "x" / "config").write_text(f"[core]\n\tfsmonitor = touch {tmp_path}/owned\n")
    (folder / ".git" / "0001_x.json").write_text("1")
    (folder / "gate").mkdir()
    (folder / "gate" / "decisions.jsonl").write_text("forged")
    (folder / "Linux" / "0002_link.json").symlink_to("/etc/hostname")
    assert keep(remote, folder).wait() == 0
    assert kept(remote) == {"Linux/0001_run1.json": "1"}
    assert not (tmp_path / "owned").exists()


def test_history_is_fetched_without_git(remote, tmp_path):
    assert keep(remote, tmp_path / "none", script=FETCH).wait() == 0, "no history yet is none"
    assert not (tmp_path / "none").exists()
    keep(remote, folder_with(tmp_path / "a", run1="1")).wait()
    assert keep(remote, tmp_path / "b", script=FETCH).wait() == 0
    assert [path.name for path in (tmp_path / "b").rglob("*") if path.is_file()] == ["0001_run1.json"]


def test_a_history_that_cannot_be_fetched_is_not_an_empty_one(tmp_path):
    job = keep(tmp_path / "nowhere.git", tmp_path / "b", script=FETCH)
    assert job.wait() != 0
    assert "nowhere.git" in job.stderr.read()
