"""What README and docs/ tell somebody to type is understood, and the README is short."""

import argparse
import configparser
import json
import re
import shlex

import pytest
from support import ROOT

import pytest_duet.__main__
from benchmarks import __main__
from benchmarks.report.columns import WORDS
from pytest_duet.record.saved_run import Run
from pytest_duet.report.answer import answers
from pytest_duet.report.saved_runs import entries
from pytest_duet.report.text_table import wrapped

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("pytest", "tox", "python", "pip", "git")


def commands():
    """Yield the page and the words of each command in a fenced block; `&&` separates two."""
    for page in PAGES:
        fenced = False
        for line in page.read_text().splitlines():
            if line.lstrip().startswith("```"):
                fenced = not fenced
            elif fenced and line.split()[:1] and line.split()[0] in PROGRAMS:
                for words in shlex.join(shlex.split(line, comments=True)).split(" '&&' "):
                    yield pytest.param(words, id=f"{page.name}: {words}")


@pytest.fixture
def understands(pytestconfig, monkeypatch):
    """Return a function that asserts that a command's words mean something to the program that they name."""
    known = configparser.ConfigParser()
    known.read(ROOT / "tox.ini")
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser, arguments):
        chosen = parse(parser, arguments)
        chosen.run = lambda chosen: 0
        return chosen

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)

    def check(words):
        program, *arguments = words
        if program == "pytest":
            _, unknown = pytestconfig._parser.parse_known_and_unknown_args(arguments)
            assert not unknown
        elif program == "tox" and arguments[0] == "-e":
            assert f"testenv:{arguments[1]}" in known or arguments[1] == "tests"
            check(["pytest", *arguments[3:]])
        elif program == "python" and arguments[1].startswith("tests."):
            assert (ROOT / f"{arguments[1].replace('.', '/')}.py").is_file()
        elif program == "python":
            commands = {"benchmarks": __main__.main, "pytest_duet": pytest_duet.__main__.main}
            assert arguments[0] == "-m" and arguments[1] in commands and commands[arguments[1]](arguments[2:]) == 0
        else:
            assert program in ("pip", "git") or arguments[:3] == ["run", "--notest", "-e"]

    return check


@pytest.mark.parametrize("words", list(commands()))
def test_a_command_in_the_docs_is_understood(understands, words):
    understands(shlex.split(words))


@pytest.mark.parametrize(
    "words",
    [
        "pytest benchmarks --no-such-option",
        "tox -e cpu -- --no-such-option",
        "tox -e no-such-environment",
        "python -m benchmarks history no-such-action",
        "python -m tests.no_such_file",
        "python -m no_such_module",
    ],
)
def test_a_command_that_nothing_understands_is_found(understands, words, capsys):
    with pytest.raises((AssertionError, SystemExit)):
        understands(shlex.split(words))


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_page_is_named_by_the_readme_or_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    named = set(re.findall(r"^[a-z-]+$", index, re.MULTILINE))
    assert named == {page.stem for page in PAGES if page.parent.name == "docs"} - {"index"}


def test_the_readme_s_answer_is_that_of_the_run_that_it_names():
    page = (ROOT / "README.md").read_text()
    run = Run.from_json("", json.loads((ROOT / re.search(r"\((results/\S+\.json)\)", page)[1]).read_text()))
    (answer,) = answers(entries(run), WORDS, run.fingerprint)
    for sentence in (*answer.sentences, WORDS.hint):
        assert wrapped(sentence) in page
    assert run.data["answers"][0]["sentences"] == list(answer.sentences)
