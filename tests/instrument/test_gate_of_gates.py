"""The gate of gates: its machine has the moods that it is said to have, and its page says what the sessions said."""

import json
from math import log
from statistics import fmean

import numpy as np
import pytest

from pytest_duet.record.comparison import Verdict
from tests.gate_of_gates import own, page, recorded
from tests.gate_of_gates.machine import KINDS, PIECE_NOISE, Machine
from tests.sessions import ROOT

KEPT = json.loads((ROOT / "results" / "gate-of-gates" / "simulated.json").read_text())


def machine(kind="unchanged", seed=1, minutes=20):
    return Machine(np.random.default_rng(seed), kind, minutes)


def slowness(made, seconds):
    """Return the mean logarithm of what pieces of a process took, as long as it works there."""
    return fmean(log(made.work(0.0) / 0.1) for _ in range(seconds * 10))


def test_the_same_seed_is_the_same_machine():
    first, second, other = (machine(seed=seed) for seed in (1, 1, 2))
    work = [[each.work(each.start()) for _ in range(20)] for each in (first, second, other)]
    assert work[0] == work[1] != work[2]
    assert first.now == pytest.approx(60 + sum(work[0])), "twenty starts of three seconds, and the work"


def test_pieces_scatter_and_moods_last():
    made = machine()
    pieces = [log(made.work(0.0) / 0.1) for _ in range(6000)]
    neighbours = np.diff(pieces)
    assert neighbours.std() / 2**0.5 == pytest.approx(PIECE_NOISE, rel=0.2), "from one to the next, mostly noise"
    assert np.std(np.mean(np.reshape(pieces, (20, 300)), axis=1)) > 4 * PIECE_NOISE / 300**0.5, "but minutes differ"


@pytest.mark.parametrize(
    ("kind", "least", "most"), [("drift", 0.03, 0.07), ("neighbour", 0.1, 0.2), ("bursts", 0.02, 0.06)]
)
def test_each_kind_is_slower_in_its_way(kind, least, most):
    """Beside a machine of the same seed that is of no kind, between the fifth and the fifteenth minute."""
    late = []
    for each in (kind, "unchanged"):
        made = machine(each)
        made.wait(300)
        late.append(slowness(made, 600))
    assert least < late[0] - late[1] < most
    early = [slowness(machine(each), 50) for each in (kind, "unchanged")]
    assert kind == "bursts" or early[0] - early[1] < least / 2


def test_this_gate_judges_there_as_it_does_everywhere():
    known = own.calibrated(np.random.default_rng(3))
    verdicts = [own.against(machine(seed=seed), slower, known) for seed in range(12) for slower in (1.0, 1.1)]
    assert set(verdicts[1::2]) == {Verdict.REGRESSED} and Verdict.REGRESSED not in verdicts[::2]
    assert verdicts[::2].count(Verdict.CLEAN) > 8


def test_the_page_is_made_of_what_is_kept():
    assert (ROOT / "docs" / "gate-of-gates.md").read_text() == page.text(KEPT), "python -m tests.gate_of_gates --page"
    assert {row["kind"] for row in KEPT["cells"]} == set(KINDS)
    for name, version in KEPT["versions"].items():
        assert f"{name} {version}" in page.text(KEPT)


def test_recorded_sessions_are_there_in_their_plain_format():
    found = recorded.read()
    assert len(found) == sum(row["sessions"] for row in KEPT["recorded"] if row["gate"] == "against") >= 110
    assert all(len(line["new"]) == len(line["old"]) >= 3 for line in found)
    assert {0.0, 0.02, 0.05, 0.1} == {line["slower"] for line in found}


@pytest.mark.parametrize(
    ("name", "plain", "said"),
    [
        ("t5j10-3", {}, ("unchanged", {"torch": 0.05, "jax": 0.1})),
        ("torch5-1-2", {}, ("unchanged", {"torch": 0.05})),
        ("hog-jax-0-1", {}, ("neighbour", {})),
        ("aa-r-0-3-jax", {}, ("unchanged", {})),
        ("any", {"campaign": {"kind": "planted:jax:0.02"}}, ("unchanged", {"jax": 0.02})),
    ],
)
def test_what_was_planted_is_read_from_what_a_session_says_of_itself(tmp_path, name, plain, said):
    assert recorded.planted(tmp_path / f"{name}.json", plain) == said
