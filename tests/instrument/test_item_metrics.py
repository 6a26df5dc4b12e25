"""What a test tells of itself beside its time: its own metrics, a wrong result, memory that grows."""

from dataclasses import asdict, replace

import pytest
import sessions
from test_items import SMALL

from pytest_duet.errors import DuetError
from pytest_duet.judge.leaks import leak_of
from pytest_duet.judge.verdict import Family
from pytest_duet.plugin.items.own_metrics import OwnMetric, from_settings, told, values
from pytest_duet.record.margins import Margin
from pytest_duet.record.metrics import DEFAULT
from pytest_duet.trials.trial import Memory, Round, Trial

TESTS = """
import os
from pathlib import Path

import pytest

TOKENS = float(os.environ["TOKENS"])

def number_of_run(test):
    path = Path(f"{os.environ['COUNT']}-{test}")
    count = int(path.read_text()) if path.exists() else 0
    path.write_text(str(count + 1))
    return count % 5

def test_told(benchmark):
    benchmark(sum, [1])
    rate = TOKENS * (1 + number_of_run("told") / 1000)
    benchmark.metric("tokens_per_second", rate, better="higher", unit="1/s", margin="2%")

def test_named(benchmark):
    benchmark(sum, [1])
    benchmark.extra_info["score"] = 7.0 + number_of_run("named") / 1000

def test_plain(benchmark):
    benchmark(sum, [1])
"""
INI = "[pytest]\nduet_metrics = score = lower, points, 10%\n"


@pytest.fixture
def session(tmp_path):
    """Run a session of these tests, at a figure of theirs; returns what it printed."""

    def run(tokens, *arguments, code=None):
        environment = {"TOKENS": str(tokens), "COUNT": str(tmp_path / "count")}
        line = [f"--benchmark-storage=file://{tmp_path}/storage", "--history-alone", *SMALL, *arguments]
        return sessions.run(
            tmp_path, {"test_mine.py": TESTS, "pytest.ini": INI}, *line, environment=environment, code=code
        )

    return run


def verdicts(folder):
    found = sessions.saved(folder)["gate"]["comparisons"]
    return {(one["benchmark"].rpartition("::")[2], one["metric"]): one for one in found}


@pytest.mark.slow
def test_a_metric_of_one_s_own_is_judged_beside_time(session, tmp_path):
    for _ in range(8):
        session(1000, "--gate")
    session(1001, "--gate")
    first = verdicts(tmp_path)
    assert first["test_told", "tokens_per_second"]["verdict"] == "clean"
    assert first["test_named", "score"]["verdict"] == "clean"
    session(900, "--gate", code=1)
    worse = verdicts(tmp_path)["test_told", "tokens_per_second"]
    assert worse["verdict"] == "regressed" and worse["margin"] == pytest.approx(1.02)
    kind, text = sessions.cases(tmp_path)["test_told.gate"]
    assert kind == "failure" and "test_told, tokens per second: regressed" in text


@pytest.mark.parametrize("workers", [(), ("-n2", "--cores-per-worker=1")], ids=["alone", "xdist"])
def test_each_trial_s_value_is_saved_and_judged(session, tmp_path, workers, all_cores):
    session(1000, "--gate", "--duet-trials=2", *workers, code=0)
    records, cases = sessions.records(tmp_path), sessions.cases(tmp_path)
    its = records["test_told"]["extra_info"]["duet"]["metrics"]["tokens_per_second"]
    assert (its["unit"], its["better"]) == ("1/s", "higher") and len(its["values"]) == 2
    assert all(1000 <= value < 1005 for value in its["values"])
    assert records["test_told"]["extra_info"]["tokens_per_second"] in its["values"]
    named = records["test_named"]["extra_info"]["duet"]["metrics"]["score"]
    assert (named["unit"], named["better"]) == ("points", "lower") and len(named["values"]) == 2
    assert "test_told, time, peak memory, first round, tokens per second: no baseline" in cases["test_told.gate"][1]
    found = verdicts(tmp_path)
    assert found["test_told", "tokens_per_second"]["verdict"] == "no baseline"
    others = {("test_plain", "score"), ("test_plain", "tokens_per_second"), ("test_told", "score")}
    assert others.isdisjoint(found), "who has no such metric is not judged by it"


def test_both_sides_tell_theirs(session, tmp_path):
    session(1000, "--against=self", "--max-trials=1")
    row = sessions.records(tmp_path)["test_told"]["extra_info"]["duet"]
    for each in (row, row["against"]["row"]):
        assert len(each["metrics"]["tokens_per_second"]["values"]) == 1


def test_without_the_gate_it_is_a_number_in_extra_info(tmp_path):
    test = "def test_mine(benchmark):\n    benchmark(sum, [1])\n    benchmark.metric('score', 3, better='lower')\n"
    sessions.run(tmp_path, {"test_mine.py": test})
    assert sessions.records(tmp_path)["test_mine"]["extra_info"] == {"score": 3.0}


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (OwnMetric("a b", "lower"), "'a b' cannot be a metric's name"),
        (OwnMetric("seconds", "lower"), "'seconds' cannot be a metric's name"),
        (OwnMetric("score", "more"), "better='more' is neither higher nor lower"),
        (OwnMetric("score", "lower", margin="much"), "'much' is no margin"),
    ],
)
def test_a_metric_that_makes_no_sense_is_refused(metric, said):
    with pytest.raises(ValueError, match=said):
        metric.checked()


def test_a_test_that_tells_one_fails(tmp_path):
    test = "def test_mine(benchmark):\n    benchmark(sum, [1])\n    benchmark.metric('a b', 1, better='lower')\n"
    done = sessions.run(tmp_path, {"test_mine.py": test}, *SMALL, code=1)
    assert "'a b' cannot be a metric's name" in done.stdout


@pytest.mark.parametrize("workers", [(), ("-n2", "--cores-per-worker=1")], ids=["alone", "xdist"])
def test_two_metrics_of_one_name_have_to_be_one(tmp_path, workers, all_cores):
    one, other = (
        f"def test_{unit}(benchmark):\n    benchmark(sum, [1])\n"
        f"    benchmark.metric('size', 1, better='lower', unit='{unit}')\n"
        for unit in ("kg", "m")
    )
    sessions.run(tmp_path, {"test_mine.py": one + other}, *SMALL, *workers, code=1)
    cases = sessions.cases(tmp_path)
    (said,) = [text for kind, text in cases.values() if kind == "failure"]  # of the one that ends later
    assert len(cases) == 2 and "Give one of them another name." in said


@pytest.mark.parametrize(
    ("line", "said"),
    [("score", "''"), ("score = more", "'more'"), ("score = lower, points, much", "'much'"), ("a b = lower", "'a b'")],
)
def test_a_setting_that_makes_no_sense_is_refused(line, said):
    with pytest.raises(DuetError, match="duet_metrics: ") as error:
        from_settings([line])
    assert said in str(error.value)


def test_settings_and_what_is_told():
    declared = from_settings(["score = lower", "rate = higher, 1/s, 2%"])
    assert declared["rate"] == OwnMetric("rate", "higher", "1/s", "2%") and declared["score"].margin == "5%"
    records = [
        {"extra_info": {"score": 1, "rate": "fast"}},
        {"duet_metrics": {"mine": {"value": 2.0, "metric": asdict(OwnMetric("mine", "lower"))}}},
        None,
    ]
    assert set(told(records, declared)) == {"score", "mine"}
    assert values("score", records) == [1.0, None, None] and values("mine", records) == [None, 2.0, None]


def test_metrics_of_one_s_own_are_a_family_of_their_own():
    """They cost the others nothing of their error, and share as much among themselves."""
    own = [OwnMetric(name, "lower").as_metric() for name in ("one", "two")]
    alone, both = (
        Family(metrics, {"one": dict.fromkeys(metrics, Margin())}, 4)
        for metrics in ({each.name: each for each in its} for its in (DEFAULT, (*DEFAULT, *own)))
    )
    assert [both.alpha(each) for each in DEFAULT] == [alone.alpha(each) for each in DEFAULT]
    assert sum(both.alpha(each) for each in own) * 4 == pytest.approx(0.05)
    assert own[0].history == Margin(0.05)


def test_benchmarks_of_two_kinds_share_the_error_by_what_each_is_compared_by():
    """As a suite's own, and tests that call benchmark: none of them spends more than its part of the whole."""
    epoch = replace(DEFAULT[0], name="epoch_seconds")
    metrics = {each.name: each for each in (*DEFAULT, epoch)}
    kinds = {"plain": [each.name for each in DEFAULT], "suite": ["epoch_seconds", "peak_memory_bytes"]}
    family = Family(metrics, {name: dict.fromkeys(its, Margin()) for name, its in kinds.items()}, 2)
    spent = {name: sum(family.alpha(metrics[metric]) for metric in its) for name, its in kinds.items()}
    assert spent["plain"] == pytest.approx(0.05 / 2) and 0.04 / 2 < spent["suite"] <= 0.05 / 2


CHECKED = """
import pytest

def is_three(result):
    return result == 3

@pytest.fixture
def checker():
    def check(result):
        assert result == 3, f"{result} is not 3"
    return check

@pytest.mark.duet(check=is_three)
def test_right(benchmark):
    benchmark(sum, [1, 2])

@pytest.mark.duet(check=is_three)
def test_wrong(benchmark):
    benchmark(sum, [1, 1])

@pytest.mark.duet(check="checker")
def test_wrong_by_fixture(benchmark):
    benchmark(sum, [1, 1])
"""


def test_a_wrong_result_voids_its_time(tmp_path):
    sessions.run(tmp_path, {"test_mine.py": CHECKED}, "--gate", *SMALL, code=1)
    cases, found = sessions.cases(tmp_path), verdicts(tmp_path)
    assert cases["test_right"][0] == "passed"
    assert "the result is wrong, says is_three (test_mine.py:4), so its time means nothing: 2" in cases["test_wrong"][1]
    assert "2 is not 3" in cases["test_wrong_by_fixture"][1]
    assert found["test_wrong", "seconds"]["verdict"] == "void"


def trial(peaks):
    rounds = [Round(number, 1.0, memory_peak_bytes=peak) for number, peak in enumerate(peaks, 1)]
    return Trial(Memory(), rounds=tuple(rounds))


MIB = 2**20


@pytest.mark.parametrize(
    ("peaks", "leaks"),
    [
        ([MIB * (50 + number) for number in range(20)], MIB),
        ([50 * MIB] * 20, None),
        ([MIB * (50 + number % 3) for number in range(20)], None),
        ([50 * MIB] * 10 + [60 * MIB] * 10, None),
        ([MIB * 50 + 1000 * number for number in range(20)], None),
        ([None] * 20, None),
        ([MIB * (50 + number) for number in range(4)], None),
        ([MIB * (500 + 40 * number) for number in range(6)], 40 * MIB),
        ([MIB * each for each in (560, 570, 573.9, 574.35, 574.42, 574.43)], None),
    ],
    ids=[
        "leaks",
        "steady",
        "goes up and down",
        "once more",
        "by next to nothing",
        "unknown",
        "too few rounds",
        "few rounds",
        "warm-up",
    ],
)
def test_memory_that_grows_with_every_round_is_a_leak(peaks, leaks):
    found = leak_of([trial(peaks)])
    assert (found and found.bytes_per_round) == leaks
    assert leak_of([trial(peaks), trial([50 * MIB] * 20)]) is None, "every trial has to"


def test_a_leak_is_told(tmp_path):
    test = "KEPT = []\ndef test_mine(benchmark):\n    benchmark(lambda: KEPT.append(bytearray(b'x') * 100_000))\n"
    done = sessions.run(tmp_path, {"test_mine.py": test}, "--gate", *SMALL)
    assert "test_mine leaks: each round takes" in " ".join(done.stdout.split())
