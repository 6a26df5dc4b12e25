"""An hour with a GPU is not wasted: what fails costs no other step, and the results are packed whatever happened."""

import os
import re
import subprocess
import sys
import tarfile

import pytest
from support import ROOT

SCRIPT = ROOT / "examples" / "rented-gpu" / "measure.sh"
# It stands in for Python: each step's words go to a file, and the step that is named fails.
FAKE = """#!/bin/sh
echo "$*" >> asked
echo "printed by $2"
for each in "$@"; do case "$each" in --benchmark-json=*) echo {} > "${each#*=}";; esac; done
case "$*" in *"$FAILS"*) exit 3;; esac
"""


@pytest.fixture
def measure(tmp_path):
    """Return a function that runs the script in an empty folder, with one step failing: exit code, output, commands."""
    (tmp_path / "python").write_text(FAKE)
    (tmp_path / "python").chmod(0o755)

    def run(fails):
        environment = {**os.environ, "PYTHON": str(tmp_path / "python"), "FAILS": fails}
        done = subprocess.run(
            ["bash", str(SCRIPT), "out/card"], cwd=tmp_path, env=environment, text=True, capture_output=True
        )
        return done.returncode, done.stdout, (tmp_path / "asked").read_text().splitlines()

    return run


@pytest.mark.parametrize(
    ("fails", "named"),
    [("no such step", ""), ("doctor", "doctor"), ("gpu and not slow", "tests"), ("--trials=1", "first")],
)
def test_a_step_that_fails_is_named_and_costs_no_other(measure, tmp_path, fails, named):
    code, printed, asked = measure(fails)
    assert len(asked) == 5 and code == bool(named)
    assert (f"not everything went well: {named}\n" in printed) is bool(named)
    with tarfile.open(tmp_path / "out" / "card.tar.gz") as packed:
        names = {name.removeprefix("card/") for name in packed.getnames()}
    texts = {f"{step}.txt" for step in ("doctor", "tests", "first", "epochs", "turns")}
    assert texts | {"first.json", "epochs.json", "turns.json"} <= names
    assert "printed by pytest" in (tmp_path / "out" / "card" / "turns.txt").read_text()


def test_its_options_exist(measure):
    """Each is one that the suite's help, or the doctor's, tells."""
    _, _, asked = measure("no such step")
    texts = [
        subprocess.run([sys.executable, "-m", *line], cwd=ROOT, text=True, capture_output=True, check=True).stdout
        for line in (("pytest", "benchmarks", "--help"), ("benchmarks", "doctor", "--help"))
    ]
    for option in re.findall(r"(--[a-z-]+)", " ".join(asked)):
        assert re.search(rf"{option}\b", " ".join(texts)), option
