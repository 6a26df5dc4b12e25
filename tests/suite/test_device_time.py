"""Device time: what of an epoch a GPU was at work, from the frameworks' own profilers."""

import json
import os
import time

import made_runs
import pytest
import report_extra  # noqa: F401
from support import ROOT

from benchmarks import __main__, trainer_runner
from benchmarks.frameworks import entries_of_file
from benchmarks.frameworks.engines import nvidia
from benchmarks.frameworks.engines.nvidia import covered, device_time
from benchmarks.proof.parity import parity_batches
from benchmarks.report import budget
from benchmarks.report.columns import trained
from benchmarks.trainer_runner import TrainerRunner
from benchmarks.training_row import DeviceTime, TrainingRow
from benchmarks.workload.spec import Workload
from pytest_duet.record.row import Row
from pytest_duet.report.gather import gather
from pytest_duet.trials.trial import Memory, Trial


@pytest.mark.parametrize(
    ("spans", "length"),
    [
        ([], 0),
        ([(5, 7)], 2),
        ([(5, 7), (7, 8)], 3),
        ([(5, 7), (6, 9)], 4),
        ([(0, 10), (2, 3), (4, 5)], 10),
        ([(20, 25), (0, 10), (5, 15)], 20),
        ([(0, 10), (0, 4), (8, 12)], 12),
        ([(-3, -1), (3, 3)], 2),
    ],
)
def test_overlapping_spans_count_once(spans, length):
    assert covered(spans) == length


def test_copies_beside_kernels_keep_the_device_no_busier():
    activity = [("kernel", 0, 100), ("copy", 50, 150), ("kernel", 60, 90), ("copy", 400, 500)]
    assert device_time(activity, seconds=1e-6, steps=4) == {
        "busy_seconds": pytest.approx(250e-9),
        "kernel_seconds": pytest.approx(100e-9),
        "copy_seconds": pytest.approx(200e-9),
        "profiled_seconds": 1e-6,
        "steps": 4,
    }


@pytest.fixture
def made_up_gpu(tmp_path):
    """The environment of a session whose NVML knows of a GPU: without one, nobody is believed to use it."""
    (tmp_path / "nvml").mkdir()
    fake = f"import sys\nsys.path.append({str(ROOT / 'tests')!r})\nfrom fake_nvml import FakeNvml\n"
    (tmp_path / "nvml" / "pynvml.py").write_text(f"{fake}sys.modules[__name__] = FakeNvml()\n")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(tmp_path / "nvml"), os.environ.get("PYTHONPATH")]))}


def test_a_row_says_what_its_profiler_saw_and_a_profiler_that_fails_costs_nothing_else(suite, made_up_gpu):
    pretenders = ("idle", "unprofiled", "profiler-raises", "profiler-kills")
    path = f"--framework-path={ROOT / 'tests' / 'liars' / 'pretenders.py'}"
    names = ",".join(["pretender", *pretenders, "honest"])
    run = suite(path, "--epochs=2", "--memory-interval=0", frameworks=names, environment=made_up_gpu)
    assert set(run.rows) == {"pretender", *pretenders, "honest"}, run.output
    row = run.rows["pretender"]
    found = row["device_time"]
    assert (found["busy_seconds"], found["kernel_seconds"], found["copy_seconds"]) == (0.003, 0.002, 0.002)
    assert found["steps"] == row["steps_per_epoch"], "a whole epoch"
    assert found["profiled_seconds"] > 0
    assert row["device_busy_share"] == pytest.approx(0.003 * row["steps_per_second"] / row["steps_per_epoch"])
    missing = {name: run.rows[name]["device_time_missing"] for name in (*pretenders, "honest", "pretender")}
    assert missing.pop("profiler-raises") == "RuntimeError: CUPTI_ERROR_NOT_INITIALIZED"
    assert "profiler-kills: the worker died of SIGKILL during profile" in missing.pop("profiler-kills")
    nothing = "the framework tells of nothing that the device did"
    assert missing == {"idle": nothing, "unprofiled": nothing, "honest": None, "pretender": None}
    for name in (*pretenders, "honest"):
        assert run.rows[name]["device_time"] is run.rows[name]["device_busy_share"] is None


def taken_steps(name, **how):
    (entry,) = [entry for entry in entries_of_file(ROOT / "tests" / "liars" / "pretenders.py") if entry.name == name]
    workload = Workload(dataset="synthetic", layer_sizes=(784, 10))
    return TrainerRunner(entry, workload, **how).take_steps(parity_batches(workload, 6000))


def test_a_profiler_that_hangs_costs_no_more_than_its_own_time(monkeypatch):
    monkeypatch.setattr(trainer_runner, "PROFILE_TIMEOUT_SECONDS", 1)
    found = taken_steps("profiler-hangs")
    assert found["device_time"] is None
    assert found["device_time_missing"].endswith("did not answer profile within 1 s and was killed."), "nobody set it"


def test_events_that_can_be_read_but_once_are_all_read():
    found = taken_steps("generator")["device_time"]
    assert (found["busy_seconds"], found["kernel_seconds"], found["copy_seconds"]) == (0.003, 0.002, 0.002)


def test_nothing_is_profiled_where_another_profiler_may_be_at_work(suite, made_up_gpu):
    path = f"--framework-path={ROOT / 'tests' / 'liars' / 'pretenders.py'}"
    how = ("--isolation=none", "--memory-interval=0")
    run = suite(path, *how, frameworks="profiler-kills", environment=made_up_gpu)
    row = run.rows["profiler-kills"]
    assert row["device_time"] is None and "pytest's own process" in row["device_time_missing"]


LARGE = 1500  # two such matrices are multiplied in 10 ms and more: a unit of time too small or too large shows


def timed(work):
    """Return what it returned, and how long it took by the test's own clock, in seconds."""
    start = time.perf_counter()
    found = work()
    return found, time.perf_counter() - start


def test_torch_s_events_are_read():
    torch = pytest.importorskip("benchmarks.frameworks.engines.torch_engine")
    matrix = torch.torch.rand(LARGE, LARGE)
    named = torch.torch.profiler.record_function("Memcpy, or so it is called")

    def profiled():
        with torch.profile(activities=[torch.ProfilerActivity.CPU]) as seen, named:
            return seen, timed(lambda: matrix @ matrix)[1]

    (seen, product_seconds), seconds = timed(profiled)
    kinds, starts, stops = zip(*torch.device_events(seen.events(), torch.DeviceType.CPU))
    assert set(kinds) == {"kernel"}, "what somebody named is no activity of the device"
    assert all(start <= stop for start, stop in zip(starts, stops))
    assert product_seconds / 1000 < covered(list(zip(starts, stops))) / 1e9 <= seconds, "nanoseconds"
    assert torch.device_events(seen.events(), torch.DeviceType.CUDA) == []


def test_jax_s_planes_are_read(tmp_path):
    jax = pytest.importorskip("benchmarks.frameworks.engines.jax_engine").jax
    from benchmarks.frameworks.engines.jax_engine import gpu_activity, profiled_events

    matrix = jax.numpy.ones((LARGE, LARGE))
    (matrix @ matrix).block_until_ready()  # compiles

    def profiled():
        with jax.profiler.trace(tmp_path):
            return timed(lambda: (matrix @ matrix).block_until_ready())[1]

    product_seconds, seconds = timed(profiled)
    (path,) = tmp_path.rglob("*.xplane.pb")
    planes = list(jax.profiler.ProfileData.from_file(str(path)).planes)
    _, starts, stops = zip(*nvidia.activity(profiled_events(planes), "/host:CPU", "tf_XLA"))
    assert product_seconds / 1000 < covered(list(zip(starts, stops))) / 1e9 <= seconds, "nanoseconds"
    assert not list(nvidia.activity(profiled_events(planes)))
    if jax.default_backend() == "cpu":
        called = []
        assert gpu_activity(lambda: called.append(True)) == [] and called, "the work is done, and no GPU did any of it"


def test_tensorflow_s_planes_are_read():
    xplane_pb2 = pytest.importorskip("tensorflow.tsl.profiler.protobuf.xplane_pb2")
    from benchmarks.frameworks.engines.tensorflow_engine import profiled_events

    space = xplane_pb2.XSpace()
    gpu, host = space.planes.add(name="/device:GPU:0"), space.planes.add(name="/host:CPU")
    names = ("gemm", "MemcpyH2D", "Memset 4 bytes", "Activity Buffer Overhead")
    for number, name in enumerate(names):
        gpu.event_metadata[number].name = name
    for name, plane in (("Stream #13(Compute)", gpu), ("XLA Ops", gpu), ("Stream #1", host)):
        line = plane.lines.add(name=name, timestamp_ns=1000)
        for number in range(len(names)):
            line.events.add(metadata_id=number, offset_ps=1000 * number, duration_ps=500)
    found = list(nvidia.activity(profiled_events(space.SerializeToString())))
    right = [("kernel", 1000, 1000.5), ("copy", 1001, 1001.5), ("copy", 1002, 1002.5)]
    assert found == right


class Event:
    def __init__(self, name, start_ns, duration_ns):
        self.name, self.start_ns, self.duration_ns = name, start_ns, duration_ns


class Named:
    def __init__(self, name, lines=(), events=()):
        self.name, self.lines, self.events = name, lines, events


def test_only_a_gpu_s_streams_count_and_copies_are_told_from_kernels():
    jax = pytest.importorskip("benchmarks.frameworks.engines.jax_engine")
    events = [
        Event("loop_fusion", 10, 5),
        Event("MemcpyD2H", 20, 5),
        Event("Memset", 30, 1),
        Event("CUPTI Overhead", 0, 99),
    ]
    lines = [Named("Stream #13(Compute,MemcpyD2H)", events=events), Named("XLA Modules", events=[Event("m", 0, 99)])]
    planes = [Named("/host:CPU", lines), Named("/device:GPU:0", lines)]
    right = [("kernel", 10, 15), ("copy", 20, 25), ("copy", 30, 31)]
    assert list(nvidia.activity(jax.profiled_events(planes))) == right
    lines[0].name = "CUPTI overhead"
    assert list(nvidia.activity(jax.profiled_events(planes))) == right, "the name that XLA may give to a stream"


def saved(path, **rows):
    path.write_text(json.dumps(made_runs.run({made_runs.benchmark(name): row for name, row in rows.items()})))
    return path


def test_the_report_puts_the_device_s_busy_and_idle_seconds_beside_the_epoch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training = TrainingRow({}, epoch_seconds=0.5, peak_share=0.2, steps_per_epoch=469).as_json()
    busy = {"busy_seconds": 0.01, "kernel_seconds": 0.01, "copy_seconds": 0.0, "profiled_seconds": 0.6, "steps": 67}
    on_gpu = {**made_runs.row("torch", device="gpu:Fake"), **training, "device_time": busy}
    on_cpu = {**made_runs.row(), **training}
    both = saved(tmp_path / "a.json", torch=on_gpu, jax=on_cpu)
    parts = budget.rows(trained(gather([both]).rows.values()))
    assert [(row["peak_seconds"], row["rest_seconds"]) for row in parts] == [(0.1, 0.4)] * 2
    found = {row["subject"]: (row["device_busy_seconds"], row["device_idle_seconds"]) for row in parts}
    assert found == {"torch": (pytest.approx(0.07), pytest.approx(0.43)), "jax": (None, None)}

    headings, charts = [], []
    for rows in ({"torch": on_gpu}, {"jax": on_cpu}):
        assert __main__.main(["report", str(saved(tmp_path / "b.json", **rows))]) == 0
        page = (tmp_path / "report.html").read_text()
        headings.append("device idle, s" in page)
        charts.append('data-chart="device"' in page)
    assert headings == charts == [True, False], "a column and a chart for GPUs alone"


@pytest.mark.parametrize(
    ("busy", "kernels", "copies", "parts"),
    [(0.01, 0.01, 0.004, (0.07, 0.0, 0.43)), (0.01, 0.006, 0.006, (0.042, 0.028, 0.43)), (0, 0, 0, (0, 0, 0.5))],
)
def test_what_a_gpu_did_in_an_epoch_adds_up_to_it(busy, kernels, copies, parts):
    """Copies that run beside kernels are no time of their own."""
    profile = DeviceTime(busy, kernels, copies, profiled_seconds=0.6, steps=67)
    training = TrainingRow({}, epoch_seconds=0.5, peak_share=0.2, steps_per_epoch=469, device_time=profile)
    (row,) = budget.rows([(Row("torch", "gpu:Fake", {}, (Trial(Memory()),), {}), training)])
    assert tuple(row[field] for field in budget.OF_A_DEVICE) == pytest.approx(parts)
    assert sum(parts) == 0.5
