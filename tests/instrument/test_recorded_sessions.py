"""The sessions in ``results/gate``, some from before schema 3, are judged as they were by the code of their time.

What that code said is in ``recorded_verdicts.json``; it is no output of the code of today, and must not become one.
"""

import json
import re
from collections import Counter

import pytest
from made_up import AGAINST, family
from support import ROOT

from pytest_duet.judge import by_pairs
from pytest_duet.judge.verdict import CLEAN_ERROR, void_where_exact_changed
from pytest_duet.record.saved_run import read_run

SESSIONS = ROOT / "results" / "gate"
SAID = json.loads((ROOT / "tests" / "instrument" / "recorded_verdicts.json").read_text())
UNCHANGED = re.compile("(un)?(calibrated-)?(aa|hog|calibration|history)-[a-z0-9-]+")
MAX_TRIALS = 16  # where a session does not say how many it might have run


def judged(run):
    of = family(run.rows, AGAINST, run.gate.metrics)
    found = by_pairs.judge_session(run.rows, of, run.gate.max_trials or MAX_TRIALS)
    return {f"{one.benchmark} {one.metric}": one for one in void_where_exact_changed(found, run.gate.metrics)}


def test_every_recorded_session_has_its_verdicts():
    assert {path.name for path in SESSIONS.glob("*.json")} == set(SAID)


@pytest.mark.parametrize("name", sorted(SAID))
def test_a_recorded_session_is_judged_as_it_was(name):
    """But that "clean" has an error of its own since then: some that were open are clean now, and none is accused."""
    run = read_run(SESSIONS, name)
    assert not run.damaged and run.gate.mode == "against"
    found = judged(run)
    assert set(found) == set(SAID[name])
    for which, said in SAID[name].items():
        now = found[which]
        if (said["verdict"], now.verdict) == ("inconclusive", "clean"):
            assert now.alpha == CLEAN_ERROR and 1 / now.margin <= now.low <= now.high <= now.margin, which
            continue
        assert now.verdict == said["verdict"], which
        for field in ("old", "new", "margin", "trials") + (() if now.verdict == "clean" else ("low", "high", "alpha")):
            expected = said.get(field)
            expected = pytest.approx(expected, rel=1e-12) if isinstance(expected, float) else expected
            assert getattr(now, field) == expected, f"{which}: {field}"


def test_the_docs_tell_what_sessions_of_unchanged_code_said():
    unchanged = [path for path in SESSIONS.glob("2026-*/**/*.json") if UNCHANGED.fullmatch(path.stem)]
    found = [json.loads(path.read_text())["gate"]["comparisons"] for path in unchanged]
    times = Counter(one["verdict"] for session in found for one in session if one["metric"] == "epoch_seconds")
    judged = times.total() - times["no baseline"]
    said = (
        f"{len(unchanged)} sessions of unchanged code (busy loops and calibrations included) judged {judged} epoch "
        f"times: {times['clean']} clean, {times['inconclusive']} inconclusive, {times['regressed']} regressed."
    )
    assert said in " ".join((ROOT / "docs" / "gate-figures.md").read_text().split())


def test_they_are_of_all_kinds():
    """Else a code that says one thing of everything would pass."""
    verdicts = [said["verdict"] for session in SAID.values() for said in session.values()]
    assert {"clean", "regressed", "inconclusive"} <= set(verdicts)
