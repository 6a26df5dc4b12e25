"""Runs pytest on files of somebody else's, in a folder of its own."""

import json
import os
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from tests.forked import run_pytest

ROOT = Path(__file__).parents[1]
# Other packages' plugins, and five garbage collections of pytest's own in the end: no session here is about them.
QUICK = ("-p", "no:hypothesispytest", "-p", "no:jaxtyping", "-p", "no:unraisableexception")
FAST = ("--benchmark-min-rounds=1", "--benchmark-max-time=0.001", "--benchmark-warmup=off")


def run(folder, files, *arguments, plugin=True, code=0, timeout=60, environment=None, fresh=False):
    """Run pytest there, once these files are written; returns the process, which has ended with that exit code.

    :param files: their texts by their names.
    :param plugin: whether pytest-duet is loaded, which is not installed here.
    :param code: None for any.
    :param fresh: whether it is to be the real command, which a session forked from another seldom differs from.
    """
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    loaded = ("-p", "pytest_duet.plugin") if plugin else ()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_STEP"))}
    inherited["PYTHONPATH"] = str(ROOT)
    saved = (f"--benchmark-json={folder}/run.json", f"--junitxml={folder}/junit.xml")
    variables = {**inherited, "COLUMNS": "120", **(environment or {})}
    done = run_pytest([*loaded, *QUICK, *FAST, *saved, *arguments], folder, variables, timeout, fresh=fresh)
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done


def git(folder, *arguments):
    subprocess.run(
        ["git", "-c", "user.email=a@b", "-c", "user.name=x", *arguments], cwd=folder, check=True, capture_output=True
    )


def saved(folder):
    return json.loads((Path(folder) / "run.json").read_text())


def records(folder):
    """Return pytest-benchmark's records by the names of the tests."""
    return {bench["name"]: bench for bench in saved(folder)["benchmarks"]}


def cases(folder):
    """Return ``{name: (outcome, message)}`` of all tests, those of the gate included."""
    found = {}
    for case in ElementTree.parse(Path(folder) / "junit.xml").iter("testcase"):
        said = [(kind, case.find(kind)) for kind in ("failure", "error", "skipped")]
        kind, what = next(((kind, what) for kind, what in said if what is not None), ("passed", None))
        found[case.get("name")] = kind, "" if what is None else f"{what.get('message')}\n{what.text}"
    return found
