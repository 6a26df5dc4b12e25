"""Whatever keeps to the protocol can be measured, a trainer or not; what does not is told in a paragraph."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from support import ROOT

from pytest_duet.errors import DuetError
from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.trials import other_side
from pytest_duet.trials.blocks import Block
from pytest_duet.trials.pairs import run_pair
from pytest_duet.trials.runner import Runner
from pytest_duet.trials.turns import Cut
from pytest_duet.workers.protocol import (
    PROTOCOL,
    Examined,
    NotInstalled,
    Opened,
    Reading,
    SubjectError,
    Timed,
    WorkerError,
    decode,
)

OPENED = Opened("gpu:x", {"numpy": "2"}, "3.8.18", None, {"asked": 1}, 0.5, 1, Reading(7), {"contract": {"a": 1}})
TIMED = Timed(2, 1.5, 1, None, None, Reading(7, 8, 9), {"loss": 0.5}, 128)


@pytest.fixture(params=["process", "none"])
def runner(request):
    """Return a runner by the name of a subject's class, for a worker and for this very process."""

    def build(name):
        said = []
        subject = f"tests.liars.subjects:{name}"
        made = Runner(name=name.lower(), subject=subject, rounds=4, isolation=request.param, progress=said.append)
        return replace(made, max_foreign_cores=99, threads=1), said

    return build


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


def test_a_subject_that_is_no_trainer_is_measured(runner):
    counts, said = runner("Counts")
    trial = counts.run(1, MemorySampler)
    assert [each.number for each in trial.rounds] == [1, 2, 3, 4]
    assert [each.metrics for each in trial.rounds] == [{"mean": 4.5}] * 4
    assert [each.evidence for each in trial.rounds] == [{"total": 45 * number} for number in (1, 2, 3, 4)]
    assert trial.seconds == pytest.approx(0.01)
    assert said[0] == "trial 1, starting" and said[-1] == "trial 1, round 4/4"


def test_two_of_them_take_turns(runner):
    counts, _ = runner("Counts")
    pair = run_pair(counts, counts, 1, MemorySampler, Cut(((0, 4), (4, 8)), 8))
    assert pair.blocks == (Block(0.004, 0.004, 0.004, 0.004),) * 2
    assert pair.remarks == () and pair.wall_seconds > 0
    for side in (pair.new, pair.old):
        assert side.rounds[-1].seconds == pytest.approx(0.01), "the rest is done, and not compared"
        assert side.rounds[-1].metrics["mean"] == pytest.approx(4.5), "weighed by the steps of each turn"
        assert side.rounds[-1].evidence == {"total": 4 * 45}
        assert side.rounds[1].evidence is None, "a later account holds it"


def test_the_parts_of_the_round_that_warms_up_are_told_where_they_are_asked_for(runner):
    counts, _ = runner("Counts")
    pair = run_pair(counts, counts, 1, MemorySampler, Cut(((0, 4), (4, 8)), 8), first=((0, 1), (1, None)))
    for side in (pair.new, pair.old):
        assert [(part.first, part.stop) for part in side.rounds[0].parts] == [(0, 1), (1, None)]


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("Foreign", WorkerError, f"foreign: .* protocol 99, and this session's {PROTOCOL}. .* cannot take turns"),
        ("Absent", NotInstalled, "absent: no_such_module not installed here$"),
        ("Breaks", SubjectError, r"breaks: it gave no evidence\.$"),
        ("Texts", WorkerError, "texts: the worker answered round with nonsense: Timed.seconds is '1.0', not float"),
        ("Wordless", WorkerError, "wordless: the worker answered round with nonsense: Timed has the fields .* seconds"),
    ],
)
def test_who_breaks_the_protocol_is_told_of(runner, name, kind, said):
    with pytest.raises(kind, match=said):
        runner(name)[0].run(1, MemorySampler)


@pytest.mark.parametrize("answer", [OPENED, TIMED, Examined({"accuracy": 1}, {"update": [[1.0]]})])
def test_an_answer_comes_out_of_the_pipe_as_it_went_in(answer):
    plain = json.loads(json.dumps(asdict(answer)))
    assert decode(type(answer), plain) == answer


def test_what_an_older_revision_s_worker_has_not_heard_of_is_unknown():
    plain = asdict(TIMED)
    del plain["driver_lag_seconds"]
    assert decode(Timed, plain).driver_lag_seconds is None
    for name in ("seconds", "work", "metrics", "lag_seconds"):
        with pytest.raises(ValueError, match="Timed has the fields"):
            decode(Timed, {key: value for key, value in plain.items() if key != name})
    with pytest.raises(ValueError, match="Timed has the fields"):
        decode(Timed, {**plain, "unheard_of": None})


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": None},
        {"seconds": True},
        {"number": "2"},
        {"metrics": {"loss": "much"}},
        {"metrics": [0.5]},
        {"memory": None},
        {"memory": {"host_peak_rss_bytes": 7}},
        {"memory": {"host_peak_rss_bytes": "7", "allocator_peak_bytes": 1, "allocator_reserved_bytes": 1}},
        {"unheard": "of"},
    ],
)
def test_nonsense_is_never_decoded(wrong):
    with pytest.raises(ValueError, match="Timed|Reading"):
        decode(Timed, {**asdict(TIMED), **wrong})


def test_what_measures_imports_nothing_of_the_suite():
    code = (
        "import sys, pkgutil, importlib, pytest_duet\n"
        "for room in ('workers', 'sensors', 'trials'):\n"
        "    package = importlib.import_module(f'pytest_duet.{room}')\n"
        "    for found in pkgutil.iter_modules(package.__path__):\n"
        "        importlib.import_module(f'pytest_duet.{room}.{found.name}')\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'benchmarks'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_revision_from_before_the_protocol_is_refused_in_a_sentence(tmp_path, monkeypatch):
    """Its workers would die of the first words that they hear."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message=old"], check=True)
    monkeypatch.setattr(other_side, "ROOT", tmp_path)
    monkeypatch.setattr(other_side.protocol, "__file__", str(tmp_path / "pytest_duet" / "workers" / "protocol.py"))
    refused = (
        r"--against=git:HEAD: that revision is too old .* no pytest_duet/workers/protocol\.py\. Choose a later one"
    )
    with pytest.raises(DuetError, match=refused), other_side.open_other("git:HEAD"):
        pass
