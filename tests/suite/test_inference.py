"""Inference: what answers is proven before it is timed, and a server that stalls is seen where requests do not wait."""

import time

import numpy as np
import pytest
from support import TRAINERS, Terminal

from benchmarks import inference
from benchmarks.exports import EXPORTS
from benchmarks.frameworks import NAMED_BY, REGISTRY, Entry, attached_to
from benchmarks.inference import LogitsError, Served, answers_of, percentiles, rate_within
from benchmarks.report import inference_table
from benchmarks.workload import oracle
from benchmarks.workload.dataset import synthetic
from benchmarks.workload.spec import Workload
from benchmarks.workload.trained import pruned, trained
from pytest_duet.record.metrics import Measured
from pytest_duet.record.row import Row
from pytest_duet.workers.protocol import WrongHardware

SMALL = Workload(dataset="synthetic", layer_sizes=(784, 16, 10))
DATASET = synthetic()


PARAMETERS = trained(SMALL, DATASET)


def served(predict=None, **fields):
    return Served("mine", predict or HONEST, PARAMETERS, DATASET, **fields)


@pytest.mark.parametrize("count", [1, 3, 64, 4096])
def test_an_honest_network_is_ready(count):
    served().check(count)


HONEST = answers_of(REGISTRY["numpy"], SMALL, PARAMETERS, DATASET, "cpu")
LIARS = {
    "answers the first image alone": lambda images: np.repeat(HONEST(images[:1]), len(images), axis=0),
    "leaves the last image out": lambda images: np.append(HONEST(images[:-1]), np.zeros((1, 10), np.float32), axis=0),
    "rounds to bfloat16": lambda images: (HONEST(images).view(np.uint32) & 0xFFFF0000).view(np.float32),
    "gives probabilities": lambda images: np.exp(HONEST(images)),
    "gives labels": lambda images: HONEST(images).argmax(axis=1),
    "answers nothing in time": lambda images: np.full((len(images), 10), np.nan, np.float32),
}


@pytest.mark.parametrize("liar", LIARS)
def test_a_wrong_answer_is_not_timed(liar):
    with pytest.raises(LogitsError, match="mine: "):
        served(LIARS[liar]).check(16)


def test_a_network_that_answers_rightly_until_it_is_timed_is_found_out():
    asked = []

    def predict(images):
        asked.append(1)
        return HONEST(images) if len(asked) <= 1 else np.zeros((len(images), 10), np.float32)

    mine = served(predict)
    mine.check(1)
    with pytest.raises(LogitsError, match="while it was timed"):
        mine.requests(100)


def eight_bits(images):
    """Answer with weights and images in eight bits a number, by the largest of each array."""

    def rounded(array):
        step = np.abs(array).max() / 2**7
        return np.round(array / step) * step

    return oracle.logits(SMALL, [(rounded(weight), bias) for weight, bias in PARAMETERS], rounded(images))


def test_who_rounds_says_so():
    """And who says that it rounds does: its errors are those of what it says."""
    served(eight_bits, precision="int8").check(64)
    assert served(eight_bits, precision="int8").check_accuracy() >= served().check_accuracy() - 0.005
    with pytest.raises(LogitsError, match="tolerance for fp32: 1e-05"):
        served(eight_bits).check(64)
    for precision in ("int8", "bf16"):
        with pytest.raises(LogitsError, match=f"whoever computes in {precision}, as it says, is off by"):
            served(HONEST, precision=precision).check(64)


def test_rounding_that_costs_half_a_point_fails():
    worse = HONEST(DATASET.test_images).argmax(axis=1) == DATASET.test_labels
    wrong = {DATASET.test_images[number].tobytes() for number in np.flatnonzero(worse)[:6]}

    def predict(images):
        answers = HONEST(images)
        mistaken = [image.tobytes() in wrong for image in images]
        return np.where(np.array(mistaken)[:, None], -answers, answers)

    with pytest.raises(LogitsError, match="in int8 it may lose 0.005"):
        served(predict, precision="int8").check_accuracy()


def test_a_pruned_network_answers_by_what_is_left_and_loses_no_more_than_half_a_point():
    half = pruned(SMALL, DATASET, 0.5)
    for (weight, _), (whole, _) in zip(half, PARAMETERS):
        left = weight != 0
        assert left.mean() == pytest.approx(0.5, abs=0.01)
        assert np.abs(whole[~left]).max() <= np.abs(whole[left]).min(), "the smallest are gone"
        assert not np.array_equal(weight[left], whole[left]), "and the others were trained on"
    predict = answers_of(REGISTRY["numpy"], SMALL, half, DATASET, "cpu")
    honest = Served("mine", predict, half, DATASET, whole=PARAMETERS)
    honest.check(16)
    assert honest.zero_share() == pytest.approx(0.5, abs=0.01) and served().zero_share() == 0
    with pytest.raises(LogitsError, match="its logits are off by"):
        Served("whole", HONEST, half, DATASET, whole=PARAMETERS).check(16)
    assert honest.check_accuracy() >= served().check_accuracy() - 0.005
    bare = pruned(SMALL, DATASET, 0.999)
    predict = answers_of(REGISTRY["numpy"], SMALL, bare, DATASET, "cpu")
    with pytest.raises(LogitsError, match=r"with 100% of its weights zero it may lose 0.005\)"):
        Served("bare", predict, bare, DATASET, whole=PARAMETERS).check_accuracy()


def test_a_file_s_size_is_told(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a").write_bytes(bytes(10))
    (tmp_path / "model" / "b").write_bytes(bytes(20))
    assert served(path=tmp_path / "model").bytes() == 30 and served(path=tmp_path / "model" / "a").bytes() == 10
    assert served().bytes() is None


def test_half_a_cached_network_is_trained_again(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEWORK_BENCHMARKS_CACHE", str(tmp_path))
    first = trained(SMALL, DATASET)
    (path,) = (tmp_path / "trained").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert all(np.array_equal(*both) for both in zip(first[0], trained(SMALL, DATASET)[0]))
    assert path.read_bytes() == whole


def test_requests_are_many_images_and_not_one_again_and_again():
    seen = []

    def predict(images):
        seen.append(images.tobytes())
        return HONEST(images)

    mine = served(predict)
    mine.requests(200)
    answer = mine.answering(2)
    for _ in range(16):
        answer()
    assert len(set(seen[:200])) == 200 and len(set(seen[200:])) == inference.DIFFERENT


class Clock:
    """Time that passes by so much whenever somebody looks, and when somebody says so."""

    def __init__(self, tick=2e-5):
        self.now, self.tick = 0.0, tick

    def __call__(self):
        self.now += self.tick
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(inference, "now_seconds", made)
    return made


def test_latency_counts_from_the_arrival(clock):
    def predict(images):
        clock.now += 0.001
        return HONEST(images)

    found = served(predict).under_load(rate=2_000, seconds=0.5)
    assert len(found.latencies) == inference.LEAST_REQUESTS
    assert found.latencies[-1] == pytest.approx(1_000 * 0.001 - 1_000 / 2_000, rel=0.2), "twice what it can answer"
    assert found.lateness.max() < 3e-5, "none of that is the generator's fault"


def test_the_generator_s_own_lateness_is_told(clock):
    """As where something else takes the core while it waits for the next arrival."""
    looks = []

    def late():
        looks.append(1)
        clock.now += 0.05 if len(looks) == 40 else 0.0
        return Clock.__call__(clock)

    inference.now_seconds = late  # the fixture has it put back
    found = served().under_load(rate=1_000, seconds=1)
    assert found.lateness.max() == pytest.approx(0.05, rel=0.1) and np.median(found.lateness) < 3e-5


def test_the_rate_within_a_bound(clock):
    def predict(images):
        clock.now += 0.001
        return HONEST(images)

    found = rate_within(served(predict), bound=0.005, capacity=1_000)
    assert 500 < found < 950, "a queue grows without end towards the capacity"
    assert rate_within(served(predict), bound=0.0005, capacity=1_000) is None, "no answer is as fast as that"


def test_a_server_that_stalls_is_seen_where_requests_do_not_wait():
    """Once a second: one after the other, that is one slow request of thousands."""
    last = [time.monotonic()]

    def predict(images):
        if time.monotonic() - last[0] > 1.0:
            time.sleep(0.1)
            last[0] = time.monotonic()
        return HONEST(images)

    mine = served(predict)
    took = mine.requests(5_000)
    assert (took > 0.05).mean() < 0.005
    found = mine.under_load(rate=500, seconds=2.4)
    assert percentiles(found.latencies)["p99"] > 0.03


def test_percentiles_are_values_that_were_measured():
    assert percentiles(np.arange(1.0, 101.0)) == {"p50": 51.0, "p90": 91.0, "p99": 100.0}


def test_exports_belong_to_entries():
    assert all(each in REGISTRY for export in EXPORTS.values() for each in export.of)
    assert all(program in NAMED_BY for export in EXPORTS.values() for program in export.programs)
    assert attached_to(["numpy"], EXPORTS) == [] and "tf-saved-model" in attached_to(["keras"], EXPORTS)


def test_a_trainer_without_answers_is_skipped():
    with pytest.raises(WrongHardware, match=r"no answers to show"):
        answers_of(Entry("honest", f"{TRAINERS}:Honest"), SMALL, PARAMETERS, DATASET, "cpu")


def test_a_session_of_throughput(suite):
    run = suite("-m", "inference", "--trials=1", "-k", "throughput", frameworks="numpy")
    assert run.exit_code == 0, run.output
    (bench,) = run.json["benchmarks"]
    metrics = bench["extra_info"]["duet"]["metrics"]
    assert all(metrics[f"images_per_second_by_{batch}"]["values"][0] > 0 for batch in inference.BATCHES)
    assert " throughput " in run.output and " latency " not in run.output


@pytest.mark.slow
def test_a_session_of_inference(suite):
    run = suite("-m", "inference", "--trials=1", frameworks="numpy")
    assert run.exit_code == 0, run.output
    rows = {bench["name"].partition("[numpy")[0]: bench["extra_info"] for bench in run.json["benchmarks"]}
    assert set(rows) == {"test_latency", "test_throughput"}
    latency = rows["test_latency"]
    told = {name: each["values"][0] for name, each in latency["duet"]["metrics"].items() if each["values"]}
    assert told["p50_seconds"] <= told["p90_seconds"] <= told["p99_seconds"] <= latency["longest_seconds"]
    assert latency["requests"] >= 10_000 and told["requests_per_second"] > 0 and told["p99_at_80_seconds"] > 0
    assert " latency " in run.output and " throughput " in run.output


def test_the_tables_rank_by_what_they_show():
    terminal = Terminal()

    def made(subject, **values):
        return Row(subject, "cpu", {name: Measured(name, values=(value,)) for name, value in values.items()}, ())

    network = {"precision": "fp32", "test_accuracy": 0.97, "file_bytes": None}
    told = {**network, "inference": "latency", "requests": 10_000, "longest_seconds": 0.5, "lateness_seconds": 1e-5}
    rows = [
        (made("slow", seconds=0.9, images_per_second_by_1=100.0), {**network, "inference": "throughput"}),
        (made("fast", seconds=0.1, images_per_second_by_16=9000.0), {**network, "inference": "throughput"}),
        (made("slow", p50_seconds=0.002, p99_at_80_seconds=0.1), told),
        (made("fast", p50_seconds=0.001, requests_per_second=400.0), told),
    ]
    inference_table.show(terminal, rows)
    lines = [line.split() for line in terminal.text.splitlines() if line.split()[:1] in (["fast"], ["slow"])]
    fast, slow, *throughputs = lines
    assert fast == ["fast", "1.000", "ms", "-", "-", "500.0", "ms", "-", "-", "400/s"]
    assert slow == ["slow", "2.000", "ms", "-", "-", "500.0", "ms", "-", "100.0", "ms", "-"]
    assert throughputs == [["fast", "-", "9,000", "-", "-"], ["slow", "100", "-", "-", "-"]]
    assert " networks " not in terminal.text, "all are as precise"
    rounded = {**network, "inference": "throughput", "precision": "int8", "test_accuracy": 0.9655, "file_bytes": 2**21}
    inference_table.show(terminal, [*rows, (made("small", seconds=0.2), rounded)])
    assert ["small", "int8", "0%", "96.55%", "2.00", "MiB"] in [line.split() for line in terminal.text.splitlines()]
    assert "of 10,000 requests" in terminal.text and "no more than 10.00 µs" in terminal.text.replace("\n", " ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [*EXPORTS, "jax", "torch", "torch-compile", "torch-script", "keras", "tensorflow", "flax"]
)
def test_what_is_exported_answers_as_the_oracle_does(suite, name):
    of = EXPORTS[name].of[0] if name in EXPORTS else name
    run = suite("-m", "inference", "--trials=1", "-k", f"test_throughput and {name}", frameworks=of)
    assert run.exit_code == 0, run.output
    assert any(bench["name"].startswith(f"test_throughput[{name}") for bench in run.json["benchmarks"])
