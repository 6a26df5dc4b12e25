"""A worker that is to leave nothing behind can write nowhere else, and is at home in a folder that goes with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

from pytest_duet.workers import seclusion
from pytest_duet.workers.process import Worker

SUBJECT = "tests.liars.subjects:Writes"


@pytest.fixture
def places(tmp_path):
    named = [tmp_path / name for name in ("allowed", "elsewhere")]
    for place in named:
        place.mkdir()
    return [*map(str, named), "/tmp", "/var/tmp", str(ROOT), os.path.expanduser("~")]


def ask(places, **how):
    with Worker("writes", SUBJECT, threads=1, **how) as worker:
        found = worker.call("places", paths=[*places, worker.folder])
        return {**found, "folder": worker.folder, "secluded": worker.secluded}


@pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces are Linux's")
def test_it_writes_into_its_own_folder_and_where_it_may(places):
    found = ask(places, writable=[places[0]])
    if not found["secluded"]:
        pytest.skip("this machine lets nobody have mounts of his own")
    assert found["can"] == [places[0], found["folder"]]
    assert found["home"].startswith(found["folder"]) and found["cwd"] == found["folder"]
    assert found["shared"] == [], "shared memory outlives processes, too"
    assert not Path(found["folder"]).exists()
    assert not (Path(places[1]) / "note").exists()


def test_it_is_at_home_elsewhere_even_where_the_kernel_lets_it_have_no_mounts(places, monkeypatch, tmp_path):
    """Such as in most containers: here, of a Python whose calls of the kernel fail."""
    refusing = "class Kernel:\n    def __getattr__(self, call):\n        return lambda *arguments: -1\n"
    site = f"import ctypes\n{refusing}ctypes.CDLL = lambda *how, **more: Kernel()\n"
    (tmp_path / "sitecustomize.py").write_text(site)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = ask(places[:2], writable=[])
    assert found["secluded"] in (False, None)
    assert places[1] in found["can"]
    assert found["home"].startswith(found["folder"])


def test_a_plain_worker_is_as_its_user(places):
    found = ask(places[:2])
    assert found["can"] == [*places[:2], found["folder"]] and not found["secluded"]
    assert found["home"] == os.path.expanduser("~")


def test_what_pip_installed_for_the_user_is_still_found(monkeypatch):
    monkeypatch.delenv("PYTHONUSERBASE", raising=False)
    assert seclusion.own_places("/folder")["PYTHONUSERBASE"] == os.path.expanduser("~/.local")


@pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces are Linux's")
def test_mounts_of_its_own_that_are_writable_are_no_seclusion():
    """As where the kernel gave it the namespace, and then refused what was to be done there."""
    line = ["unshare", "--mount", "sh", "-c", "echo ready; read line"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        if other.stdout.readline() != "ready\n":
            pytest.skip("this user may have no mounts of his own")
        assert seclusion.is_secluded(other.pid) is False
        other.communicate("over\n")
