"""What can be asked of a framework beside its training epoch, and what of that a session asks.

Each question is a file of tests, ``test_QUESTION.py``, whose tests call ``benchmark`` as anybody's do. It is collected
where it is asked for, by its marker (``-m cold_start``), by ``--suite`` or by its file's path: ``pytest benchmarks``
alone asks for training. Its tests run in workers of pytest-duet, a fresh process for each trial.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.command_line import trials_of
from pytest_duet.plugin import compat

QUESTIONS = {
    "cold_start": "from nothing to a trainer's first steps, phase by phase",
    "convergence": "how long training takes to reach a test accuracy, over several seeds",
    "data_pipeline": "how many images an input pipeline brings in a second, and how long a model waits for them",
    "inference": "how long a request waits for its answer, and how many images are answered in a second",
    "scaling": "how much sooner several devices train an epoch together than one does",
}
TRAINING = {"training", "all"}  # what names the training among them
BENCHMARKS = Path(__file__).parent


def pytest_addoption(parser):
    group = parser.getgroup("frameworks")
    what = ", ".join(f"{name} ({what})" for name, what in QUESTIONS.items())
    group.addoption(
        "--suite",
        action="append",
        default=[],
        metavar="NAMES",
        help=f"what to ask, comma-separated: training (default), {what}, or all",
    )


@pytest.hookimpl(tryfirst=True)  # before pytest-duet, which is told how often such tests are to run
def pytest_configure(config):
    for name, what in QUESTIONS.items():
        config.addinivalue_line("markers", f"{name}: {what}")
    if unknown := named(config) - {*QUESTIONS, *TRAINING}:
        raise pytest.UsageError(f"--suite: {sorted(unknown)[0]!r} is none of training, {', '.join(QUESTIONS)}, all.")
    if asked(config) and config.getoption("duet_trials") is None and not compat.is_disabled(config):
        config.option.duet_trials = trials_of(config.option)


def pytest_ignore_collect(collection_path, config):
    if collection_path.parent != BENCHMARKS:
        return None
    name = question_of(collection_path)
    if name in QUESTIONS:
        return None if name in asked(config) else True
    others_alone = named(config) and not named(config) & TRAINING
    return True if others_alone and collection_path.name.startswith("test_") else None


def question_of(name):
    """Return what a file of tests, or a test's node id, would ask by its name."""
    return Path(str(name).partition("::")[0]).stem.removeprefix("test_")


def named(config):
    """Return what ``--suite`` names."""
    return {name.strip() for names in config.getoption("suite") for name in names.split(",")}


def asked(config):
    """Return the questions that a session asks."""
    words = set(re.findall(r"\w+", config.getoption("markexpr") or ""))
    paths = [(config.invocation_params.dir / str(each).partition("::")[0]).resolve() for each in config.args]
    files = {question_of(path) for path in paths if path.parent == BENCHMARKS}
    return {name for name in QUESTIONS if {name, "all"} & named(config) or name in words | files}
