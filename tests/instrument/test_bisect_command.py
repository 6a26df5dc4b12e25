"""``python -m pytest_duet bisect``: what it asks of pytest, how it goes on, and what it says in the end."""

import os
import re
import subprocess
import sys
from math import log
from types import SimpleNamespace

import pytest
import sessions
from sessions import git
from support import ROOT

from pytest_duet.__main__ import main
from pytest_duet.commands import bisect_command, revisions
from pytest_duet.commands.sessions import Session
from pytest_duet.errors import DuetError
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.metrics import DEFAULT
from pytest_duet.record.saved_run import GateRecord, Run

COMMITS = 9
METRICS = {each.name: each for each in DEFAULT}


@pytest.fixture
def commits(tmp_path, monkeypatch):
    """Return the short names of commits in a repository, oldest first, from inside of it."""
    git(tmp_path, "init", "-q", "-b", "main")
    for number in range(COMMITS):
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", f"step {number}")
    monkeypatch.chdir(tmp_path)
    line = ["git", "log", "--reverse", "--format=%h"]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout.split()


class Pytest:
    """Stands in for the sessions, and says what the gate would of a figure that changed with one commit.

    :ivar asked: the new and the old side of each session.
    """

    def __init__(self, commits, culprit, change=1.1):
        self.commits, self.culprit, self.change = commits, culprit, change
        self.asked, self.lines, self.fails, self.dies_after = [], [], {}, None

    def __call__(self, arguments, storage):
        options = dict(argument.split("=", 1) for argument in arguments if argument.startswith("--duet-"))
        new, old = (options[f"--duet-{side}"].removeprefix("git:") for side in ("new", "against"))
        if self.dies_after is not None and len(self.asked) >= self.dies_after:
            raise KeyboardInterrupt
        self.asked.append((new, old))
        self.lines.append(options)
        if new in self.fails:
            return Session(None, 2, self.fails[new])
        factors = [self.change if self.commits.index(side) >= self.culprit else 1.0 for side in (new, old)]
        ratio, margin = factors[0] / factors[1], 1.02
        if text := options.get("--duet-gate-margin"):
            margin = 1 + float(re.search(r"=([\d.]+)%", text)[1]) / 100
        changed = abs(log(ratio)) > log(margin)
        verdict = (Verdict.REGRESSED if ratio > 1 else Verdict.IMPROVED) if changed else Verdict.CLEAN
        one = Comparison("t", "t", "seconds", verdict, 1.0, ratio, ratio * 0.99, ratio / 0.99, margin, trials=7)
        return Session(Run("run", gate=GateRecord("against", comparisons=(one,), metrics=METRICS)), int(changed), "")


@pytest.fixture
def ask(commits, monkeypatch, capsys):
    """Return a function that bisects, with the stand-in that it is given, and returns exit code and output."""

    def bisect(stand_in, *arguments):
        monkeypatch.setattr(bisect_command, "run_session", stand_in)
        code = main(["bisect", *(arguments or (f"git:{commits[0]}", f"git:{commits[-1]}")), "--", "test_it.py"])
        return code, capsys.readouterr().out

    return bisect


@pytest.mark.parametrize("change", [1.1, 0.9])
@pytest.mark.parametrize("culprit", range(1, COMMITS))
def test_the_commit_is_named_with_its_interval_and_how_to_see_it_again(commits, ask, culprit, change):
    stand_in = Pytest(commits, culprit, change)
    code, said = ask(stand_in)
    assert code == 0 and f"git:{commits[culprit]} step {culprit} did it: " in said
    assert "wrong with a probability of 5.0% at the most" in said
    assert stand_in.asked[0] == (commits[-1], commits[0])
    assert {old for _, old in stand_in.asked[:4]} == {commits[0]}
    assert (commits[culprit], commits[culprit - 1]) in stand_in.asked, "the change itself was measured"
    assert len(stand_in.asked) <= 5 and len(set(stand_in.asked)) == len(stand_in.asked)
    assert f"--duet-against=git:{commits[culprit - 1]} --duet-new=git:{commits[culprit]}" in said.splitlines()[-1]
    assert {line["--duet-gate-alpha"] for line in stand_in.lines} == {str(0.05 / 5)}
    assert "--duet-gate-margin" not in stand_in.lines[0] and "--duet-gate-margin" in stand_in.lines[1]
    assert f"{len(stand_in.asked)} sessions, {7 * len(stand_in.asked)} paired trials" in said


@pytest.mark.parametrize("after", [1, 2, 3])
def test_who_is_killed_goes_on_where_it_was(commits, ask, after):
    stand_in = Pytest(commits, 6)
    stand_in.dies_after = after
    with pytest.raises(KeyboardInterrupt):
        ask(stand_in)
    stand_in.dies_after = None
    code, said = ask(stand_in)
    assert code == 0 and f"git:{commits[6]} step 6 did it" in said and f"after {after} sessions" in said
    assert len(set(stand_in.asked)) == len(stand_in.asked), "nothing was asked twice"
    done = list(stand_in.asked)
    assert ask(stand_in)[1].splitlines()[-5:] == said.splitlines()[-5:] and stand_in.asked == done


def test_why_a_session_failed_is_its_first_failure_and_not_its_last_line(commits, ask):
    stand_in = Pytest(commits, 6)
    stand_in.fails = {
        commits[4]: "bench.py F\n____ test_it[x] ____\nit computes nonsense\n===== 1 failed in 3 s =====\n"
    }
    assert f"beside git:{commits[0]}: not measured, it computes nonsense\n" in ask(stand_in)[1]


def test_a_commit_that_cannot_be_measured_is_left_out(commits, ask):
    stand_in = Pytest(commits, 6)
    stand_in.fails = {commits[4]: "it does not build\n"}
    code, said = ask(stand_in)
    assert code == 0 and f"git:{commits[6]} step 6 did it" in said
    assert f"git:{commits[4]} step 4, beside git:{commits[0]}: not measured, it does not build" in said
    stand_in.fails = {commits[5]: "no", commits[6]: "no"}
    code, said = ask(stand_in, f"git:{commits[1]}..main")
    assert (
        code == 0
        and "One of these changed it" in said
        and all(f"git:{commits[number]} " in said for number in (5, 6, 7))
    )
    assert f"git:{commits[4]} step 4, git" not in said.splitlines()[-2]


def test_nothing_to_search_for_is_said_at_once(commits, ask):
    stand_in = Pytest(commits, 5, change=1.001)
    code, said = ask(stand_in)
    assert code == 1 and "Nothing to search for" in said and len(stand_in.asked) == 1


def test_a_bad_one_that_cannot_be_measured_says_why(commits, monkeypatch, capsys):
    stand_in = Pytest(commits, 5)
    stand_in.fails = {commits[-1]: "ERROR: no such option"}
    monkeypatch.setattr(bisect_command, "run_session", stand_in)
    assert main(["bisect", f"git:{commits[0]}", f"git:{commits[-1]}", "--", "test_it.py"]) == 2
    assert "could not be measured: the session ended so:\nERROR: no such option" in capsys.readouterr().err


def test_a_change_in_two_parts_is_not_pinned_on_one(commits, ask):
    class InParts(Pytest):
        def __call__(self, arguments, storage):
            new, old = (re.search(f"--duet-{side}=git:(\\S+)", " ".join(arguments))[1] for side in ("new", "against"))
            steps = self.commits.index(new) - self.commits.index(old)
            self.culprit, self.change = self.commits.index(new), 1.1 ** (steps / (COMMITS - 1))
            return super().__call__(arguments, storage)

    code, said = ask(InParts(commits, 0))
    assert code == 1 and "More than one revision may have changed it" in said


def test_both_ends_can_be_one_argument(commits, ask):
    assert ask(Pytest(commits, 3), f"git:{commits[0]}..main")[0] == 0
    assert len(revisions.revisions_between(f"git:{commits[2]}..main", None)) == COMMITS - 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("git:main", None), "Give a good and a bad one"),
        (("git:main..main", None), "no commit of main comes after main"),
        (("git:nowhere..main", None), "`git log .* said: "),
        (("git:main", "numpy==2"), "are neither commits"),
        (("jax==1", "numpy==2"), "are neither commits"),
    ],
)
def test_nonsense_is_told(commits, arguments, said):
    with pytest.raises(DuetError, match=said):
        revisions.revisions_between(*arguments)


LISTED = "thing (1.10)\nAvailable versions: 1.10, 1.9.1, 1.9, 1.2\n  INSTALLED: 1.9\n"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("thing==1.2..1.10", ["1.2", "1.9", "1.9.1", "1.10"]),
        ("thing==1.9..1.9.1", ["1.9", "1.9.1"]),
        ("thing==1.10..1.9", ["1.10", "1.9.1", "1.9"]),
    ],
)
def test_versions_are_those_of_the_index_in_their_order(monkeypatch, asked, found):
    listed = SimpleNamespace(returncode=0, stdout=LISTED, stderr="")
    monkeypatch.setattr(revisions.subprocess, "run", lambda *_, **__: listed)
    assert [each.name for each in revisions.revisions_between(asked, None)] == [f"thing=={each}" for each in found]
    with pytest.raises(DuetError, match="thing==1.3: the index has no such version"):
        revisions.revisions_between("thing==1.3..1.10", None)


FILES = {
    "mine.py": "STEPS = 2_000\ndef work():\n    for number in range(STEPS):\n        number * number\n",
    "test_mine.py": "from mine import work\ndef test_work(benchmark):\n    benchmark(work)\n",
    "pytest.ini": "[pytest]\npythonpath = .\n",
}


@pytest.mark.slow
def test_a_commit_is_found_among_real_ones(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "-q")
    steps = ["2_000", "2_000 ", "3_000", "3_000 ", "1 +* 2", "3_000  "]
    for number, text in enumerate(steps):
        (tmp_path / "mine.py").write_text(FILES["mine.py"].replace("2_000", text))
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", f"step {number}")
    line = [sys.executable, "-m", "pytest_duet", "bisect", "git:HEAD~5..HEAD", "--", "-p", "pytest_duet.plugin"]
    done = subprocess.run(
        [*line, *sessions.FAST, "test_mine.py", "--duet-max-foreign-cores=99"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "step 2 did it: regressed, +" in done.stdout, done.stdout
