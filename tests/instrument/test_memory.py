"""The memory ledger: each source by itself, and None, never 0, for what cannot be read."""

import os
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from fake_nvml import FakeNvml, NVMLError
from support import ROOT, TRAINERS, wait_until

from benchmarks.frameworks import entries_of_file
from benchmarks.trainer_runner import TrainerRunner
from benchmarks.workload.spec import Workload
from pytest_duet.sensors import memory
from pytest_duet.sensors.gpu import Gpu, find_gpu, visible_gpus
from pytest_duet.sensors.sampler import COOLING_SECONDS, MemorySampler, memory_source, samples_of
from pytest_duet.trials.account import ledger
from pytest_duet.trials.recorder import Recorder
from pytest_duet.workers.protocol import Reading

MIB = 2**20
HOLD = "import sys; held = bytearray({mib} * 2**20); print('held', flush=True); sys.stdin.read()"


def gpu(**state):
    nvml = FakeNvml(**state)
    return Gpu(nvml, nvml.nvmlDeviceGetHandleByIndex(0)), nvml


def test_peak_rss_is_this_program_s_own_not_its_parent_s():
    ballast = bytearray(300 * MIB)
    code = "from pytest_duet.sensors.memory import peak_rss_bytes as peak; print(peak())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(ballast) == 300 * MIB
    assert 5 * MIB < int(done.stdout) < 100 * MIB


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's counter can be reset on Linux alone")
def test_peak_rss_can_be_counted_anew():
    code = (
        "from pytest_duet.sensors import memory as m\n"
        "held = bytearray(200 * 2**20); del held\n"
        "before = m.peak_rss_bytes(); m.reset_peak_rss(); print(before, m.peak_rss_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > 200 * MIB > after


def test_what_the_system_does_not_tell_is_none(tmp_path):
    assert memory.rss_bytes(2**22 + 1) is None
    assert memory.out_of_memory_kills(tmp_path / "nothing") is None
    memory.reset_peak_rss(tmp_path / "nothing" / "here")  # and no error


def test_sampler_sees_peak_and_average_of_a_process():
    with subprocess.Popen([sys.executable, "-c", HOLD.format(mib=200)], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with MemorySampler(interval_seconds=0.01).watch(process.pid) as sampler:
            time.sleep(0.1)
            window = sampler.look()
        process.stdin.close()
    peak, average = window.rss
    assert 200 * MIB < average <= peak < 300 * MIB
    assert window.nvml_process == window.nvml_device_delta == (None, None)
    assert memory_source([window], on_gpu=True) == "host_rss"


def test_sampler_takes_each_gpu_source_by_itself():
    card, nvml = gpu(used=1000)
    sampler = MemorySampler(card, interval_seconds=0.005)
    with sampler.watch(os.getpid()):
        nvml.used, nvml.processes = 1700, {os.getpid(): 500, 1: 999}
        sampler.look()
        nvml.used, nvml.processes, nvml.bits = 1900, {os.getpid(): 800}, 0x40 | 0x01
        wait_until(lambda: len(sampler._samples["nvml_process"]) > 3, 10)
        window = sampler.look()
    assert window.nvml_process[0] == 800
    assert window.nvml_device_delta[0] == 900, "counted from what was in use before the worker started"
    assert window.throttle_reasons == {"hardware thermal slowdown"}, "idle is no throttling"
    assert memory_source([window], on_gpu=True) == "nvml_process"
    assert memory_source([window], on_gpu=False) == "host_rss"
    assert window.hidden is None
    assert window.clock_mhz == (1755, 1755)


def test_an_epoch_says_the_clock_of_the_gpu_that_it_was_trained_on():
    (honest,) = [entry for entry in entries_of_file(TRAINERS) if entry.name == "honest"]
    runner = TrainerRunner(honest, Workload(dataset="synthetic", layer_sizes=(784, 10), epochs=2))
    for refused, device, clock, reasons in (
        ((), "gpu:Fake H200", 1755, ("hardware slowdown",)),
        (("nvmlDeviceGetClockInfo", "nvmlDeviceGetCurrentClocksThrottleReasons"), "gpu:Fake H200", None, None),
        ((), "cpu", None, None),
    ):
        card, _ = gpu(bits=0x08, refuses=refused)
        sampler = MemorySampler(card, sleep=lambda seconds: None)
        with runner.worker() as worker, sampler.watch(worker.pid):
            recorder = Recorder(runner, worker, sampler)
            recorder._on_gpu = device != "cpu"
            epoch = recorder.round(1)
        assert (epoch.gpu_clock_mhz, epoch.gpu_throttle_reasons) == (clock, reasons)


def test_a_hot_gpu_is_waited_for_but_not_for_ever():
    card, nvml = gpu(bits=0x40)
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) == cools_after:
            nvml.bits = 0x04  # running at its power limit is what it is made for

    cools_after = 7
    sampler = MemorySampler(card, sleep=sleep)
    sampler.cool_down()
    assert sum(waited) == 7
    nvml.bits, cools_after = 0x40, None
    for _ in range(1000):  # parts of a trial, of which each waits
        sampler.cool_down()
    assert sum(waited) == COOLING_SECONDS, "for all of a trial"
    MemorySampler(card, interval_seconds=0, sleep=sleep).cool_down()
    MemorySampler(None, sleep=sleep).cool_down()
    assert sum(waited) == COOLING_SECONDS, "nobody looks, or nobody can"


def test_a_round_on_the_gpu_begins_when_it_has_cooled_down():
    (honest,) = [entry for entry in entries_of_file(TRAINERS) if entry.name == "honest"]
    runner = TrainerRunner(honest, Workload(dataset="synthetic", layer_sizes=(784, 10), epochs=2))
    card, nvml = gpu(bits=0x40)
    sampler = MemorySampler(card, sleep=lambda seconds: setattr(nvml, "bits", 0))
    with runner.worker() as worker, sampler.watch(worker.pid):
        recorder = Recorder(runner, worker, sampler)
        recorder._on_gpu = True
        assert recorder.round(1).gpu_throttle_reasons == ()


WORKER = 4242
HOST_S = "it counts as the host does"


@pytest.mark.parametrize(
    ("before", "now", "reason", "others"),
    [
        ({}, {}, "NVML lists no process, as in a container that hides them", set()),
        ({}, {77: 500}, f"NVML lists 77 and not the worker, 4242: {HOST_S}", set()),
        ({66: 9}, {66: 9, 77: 500}, f"NVML lists 66, 77 and not the worker, 4242: {HOST_S}", {66}),
        ({}, {77: 500, 78: 9}, f"NVML lists 77, 78 and not the worker, 4242: {HOST_S}", {77, 78}),
        (
            {WORKER: 9},
            {WORKER: 900, 77: 500},
            f"NVML listed a process 4242 before the worker of that number started, so {HOST_S}",
            {WORKER},
        ),
        ({}, {WORKER: None}, "NVML lists the worker without its memory", set()),
        ({}, {WORKER: 2**64 - 1}, "NVML lists the worker without its memory", set()),
        ({}, {WORKER: 0}, "NVML lists the worker without its memory", set()),  # some drivers, in Docker
    ],
)
def test_where_nvml_does_not_tell_the_worker_s_memory_the_device_delta_is_taken_and_said(before, now, reason, others):
    card, nvml = gpu(used=10 * MIB, processes=before)
    sampler = MemorySampler(card).watch(WORKER)
    nvml.used, nvml.processes = 510 * MIB, now
    with sampler:
        window = sampler.look()
    assert window.nvml_process == (None, None), "never another process's"
    assert window.hidden == reason
    assert window.gpu_others == others
    assert memory_source([window], on_gpu=True) == "nvml_device_delta"
    assert samples_of(window, "nvml_device_delta") == (500 * MIB, 500 * MIB)
    assert sampler.held(WORKER).best == (500 * MIB, "nvml_device_delta")


def test_a_process_list_that_is_refused_is_no_empty_one():
    card, nvml = gpu(used=0, refuses=("nvmlDeviceGetComputeRunningProcesses",))
    with MemorySampler(card).watch(WORKER) as sampler:
        nvml.used = 500 * MIB
        window = sampler.look()
    assert (window.hidden, window.gpu_others) == ("NVML does not list this GPU's processes", None)


def test_a_device_whose_use_does_not_rise_is_told_to_be_another_one():
    card, nvml = gpu(used=10 * MIB)
    with MemorySampler(card).watch(WORKER) as sampler:
        nvml.used = 12 * MIB
        window = sampler.look()
    assert window.hidden.endswith("nor did the device's memory in use rise: is this the GPU that is trained on?")
    assert sampler.held(WORKER).best == (None, None), "two MiB are anybody's"


def test_a_server_that_lets_others_share_the_gpu_is_none_of_them():
    """nvml.h: nvmlSystemGetProcessName gives a path; CUDA's Multi-Process Service runs as this program."""
    card, nvml = gpu(processes={1: 28 * MIB, WORKER: 500 * MIB, 77: 9 * MIB})
    names = {1: "/usr/bin/nvidia-cuda-mps-server", WORKER: "python3", 77: "not-nvidia-cuda-mps-server"}
    nvml.nvmlSystemGetProcessName = names.__getitem__
    assert card.holders() == {WORKER: 500 * MIB, 77: 9 * MIB} and card.mps_servers() == [1]
    assert MemorySampler(card).foreign_gpu_processes == [77, WORKER]


@pytest.mark.parametrize(
    "name", ["nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"]
)
def test_why_clocks_are_down_is_asked_by_the_name_that_this_nvml_has(name):
    """CUDA 12 renamed the call (nvml.h, "Deprecated: use ...ClocksEventReasons"), and CUDA 14 drops the old name."""
    card, nvml = gpu(refuses=("nvmlDeviceGetCurrentClocksThrottleReasons",))
    assert card.throttle_reasons() is None
    nvml.refuses = ()
    both = {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"}
    nvml.refuses = tuple(both - {name})
    setattr(nvml, name, lambda handle: 0x40)
    assert card.throttle_reasons() == ["hardware thermal slowdown"]


def test_a_process_that_nvml_lists_twice_holds_both():
    card, nvml = gpu()
    nvml.nvmlDeviceGetComputeRunningProcesses = lambda handle: [
        SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in ((1, 5), (2, None), (1, 7), (2, 3))
    ]
    assert card.holders() == {1: 12, 2: 3}


def test_own_process_is_no_foreign_one_and_is_known_again():
    """With --isolation=none it may have held the GPU before the sampler was made."""
    card, _ = gpu(processes={os.getpid(): 500, 7: 1})
    with MemorySampler(card).watch(os.getpid()) as sampler:
        window = sampler.look()
    assert sampler.foreign_gpu_processes == [7]
    assert (window.nvml_process[0], window.gpu_others, window.hidden) == (500, {7}, None)


def test_windows_of_an_epoch_are_all_of_one_source():
    card, nvml = gpu(used=0)
    with MemorySampler(card).watch(WORKER) as sampler:
        nvml.used, nvml.processes = 500 * MIB, {WORKER: 400 * MIB}
        seen = sampler.look()
        nvml.processes = {}
        unseen = sampler.look()
    assert memory_source([seen, unseen], on_gpu=True) == "nvml_device_delta"
    assert memory_source([seen], on_gpu=True) == "nvml_process"


def proc(path, own, *others):
    """Make a /proc in which this process has another number, and others have (number, parent, NSpid)."""
    (path / "self").symlink_to(str(own))
    for number, parent, ids in others:
        (path / str(number)).mkdir(parents=True)
        ids = "\t".join(map(str, ids))
        (path / str(number) / "status").write_text(f"Name:\tpython\nPid:\t{number}\nPPid:\t{parent}\nNSpid:\t{ids}\n")
    return path


def test_a_worker_s_number_in_an_outer_proc_is_found(tmp_path):
    """Others have the number inside their own namespaces, or in the outer one; neither is this process's child."""
    own = os.getpid() + 100_000
    others = (WORKER, 1, [WORKER]), (5001, own, [5001, 8]), (5002, 99, [5002, WORKER]), (5003, own, [5003, WORKER])
    found = proc(tmp_path, own, *others)
    assert memory.id_in_proc(WORKER, found) == 5003
    assert memory.id_in_proc(os.getpid(), found) == own
    assert memory.id_in_proc(9, found) is None
    assert memory.id_in_proc(WORKER, tmp_path / "nothing") == WORKER
    ordinary = tmp_path / "ordinary"
    ordinary.mkdir()
    assert memory.id_in_proc(WORKER, proc(ordinary, os.getpid())) == WORKER


UNSHARE = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]  # and /proc stays the outer namespace's
IN_A_NAMESPACE = """
import os, subprocess, sys
sys.path[:0] = sys.argv[1:]
from fake_nvml import FakeNvml
from pytest_duet.sensors.gpu import Gpu
from pytest_duet.sensors.sampler import MemorySampler
from pytest_duet.sensors.memory import id_in_proc
nvml = FakeNvml()
sampler = MemorySampler(Gpu(nvml, "handle"))
with subprocess.Popen([sys.executable, "-c", "held = bytearray(90 << 20); print(1, flush=True); input()"],
                      stdin=-1, stdout=-1) as worker:
    worker.stdout.readline()
    outer = id_in_proc(worker.pid)
    nvml.processes = {outer: 777}
    with sampler.watch(worker.pid):
        window = sampler.look()
    worker.stdin.close()
print(os.getpid(), outer != worker.pid, window.nvml_process[0], window.rss[0] > 90 << 20)
"""


@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*UNSHARE, "true"], capture_output=True).returncode != 0,
    reason="no namespaces to be made here",
)
def test_a_worker_is_known_by_the_number_of_the_namespace_that_nvml_and_proc_count_in():
    code = [sys.executable, "-c", IN_A_NAMESPACE, str(ROOT), str(ROOT / "tests")]
    done = subprocess.run([*UNSHARE, *code], capture_output=True, text=True)
    assert done.stdout.split() == ["1", "True", "777", "True"], done.stderr


@pytest.mark.parametrize("refused", ["nvmlDeviceGetMemoryInfo", "nvmlDeviceGetComputeRunningProcesses"])
def test_what_nvml_refuses_is_none_not_zero(refused):
    card, _ = gpu(used=1000, processes={os.getpid(): 10}, refuses=(refused,))
    sampler = MemorySampler(card)
    with sampler.watch(os.getpid()):
        window = sampler.look()
    refused_source = window.nvml_device_delta if "Memory" in refused else window.nvml_process
    assert refused_source == (None, None)


def test_no_interval_takes_no_samples():
    sampler = MemorySampler(interval_seconds=0)
    with sampler.watch(os.getpid()):
        assert sampler._thread is None
        assert sampler.look().rss == (None, None)


def test_ledger_of_a_trainer_on_the_cpu_holds_no_gpu_memory():
    """On a machine with a GPU that somebody else fills, a CPU trainer's row must not show it."""
    card, nvml = gpu(used=1000)
    sampler = MemorySampler(card)
    with sampler.watch(os.getpid()):
        nvml.used = 5000
        windows = [sampler.look(), sampler.look()]
    readings = [Reading(host_peak_rss_bytes=7 * 2**40)]
    on_cpu, on_gpu = (ledger(readings, windows, on_gpu=on_gpu) for on_gpu in (False, True))
    assert on_cpu.nvml_device_delta_peak_bytes is None
    assert (on_gpu.nvml_device_delta_peak_bytes, on_gpu.host_peak_rss_bytes) == (4000, 7 * 2**40)
    assert on_gpu.allocator_peak_bytes is None


def test_throttling_and_foreign_gpu_processes_disturb_a_trial():
    (honest,) = [entry for entry in entries_of_file(TRAINERS) if entry.name == "honest"]
    runner = TrainerRunner(honest, Workload(dataset="synthetic", layer_sizes=(784, 10), epochs=2), max_foreign_cores=99)
    card, _ = gpu(processes={4242: 10**9}, bits=0x08 | 0x04)
    found = runner.run(1, lambda: MemorySampler(card)).disturbance
    assert found.foreign_gpu_processes == (4242,)
    assert found.gpu_throttle_reasons == ("hardware slowdown", "software power cap")
    assert len(found.reasons) == 2 and "4242" in found.reasons[1]

    capped, _ = gpu(bits=0x04)
    found = runner.run(1, lambda: MemorySampler(capped)).disturbance
    assert found.reasons == (), "running at the power cap is what a busy card does"


def test_gpu_is_the_one_the_frameworks_take(monkeypatch):
    nvml = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    for visible in ("3,1", "GPU-abc", "0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert find_gpu() is not None
    assert nvml.asked == [3, 1, "GPU-abc", 0]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert find_gpu() is None


class Several(FakeNvml):
    """Three GPUs, whose handles are their UUIDs; NVML takes whole UUIDs alone. The last is cut, if it is to be."""

    uuids = ("GPU-ab12", "GPU-ab34", "GPU-cd56")
    instances = (None, "MIG-1", "MIG-2")

    def nvmlDeviceGetCount(self):
        return len(self.uuids)

    def nvmlDeviceGetHandleByIndex(self, index):
        return self.uuids[index]

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid not in self.uuids + self.instances:
            raise NVMLError("Not Found")
        return uuid

    def nvmlDeviceGetUUID(self, handle):
        return handle

    def nvmlDeviceIsMigDeviceHandle(self, handle):
        return handle in self.instances

    def nvmlDeviceGetMigMode(self, handle):
        if handle in self.instances:
            raise NVMLError("Invalid Argument")
        return [int(self.cut and handle == "GPU-cd56")] * 2

    def nvmlDeviceGetMaxMigDeviceCount(self, handle):
        return len(self.instances)

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle, index):
        if self.instances[index] is None:
            raise NVMLError("Not Found")
        return self.instances[index]

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, handle):
        return "GPU-cd56"


@pytest.mark.parametrize(
    ("names", "seen"),
    [
        (None, ["GPU-ab12", "GPU-ab34", "GPU-cd56"]),
        ("2, 0", ["GPU-cd56", "GPU-ab12"]),
        ("GPU-cd", ["GPU-cd56"]),
        ("GPU-ab3,GPU-ab12", ["GPU-ab34", "GPU-ab12"]),
        ("GPU-ab", []),  # of two
        ("GPU-ef,0", []),
        ("1,7,0", ["GPU-ab34"]),
        ("1,-1,0", ["GPU-ab34"]),
        ("1,,0", ["GPU-ab34"]),
        ("1,NoDevFiles,0", ["GPU-ab34"]),
        ("void", []),
        ("NoDevFiles", []),
    ],
)
def test_names_of_gpus_are_read_as_cuda_reads_them(monkeypatch, names, seen):
    monkeypatch.setitem(sys.modules, "pynvml", Several())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if names is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)
    assert [card.uuid() for card in visible_gpus()] == seen
    first = find_gpu()
    assert (first and first.uuid()) == (seen[0] if seen else None)


@pytest.mark.parametrize("name", ["2", "GPU-cd56", "MIG-1"])
def test_a_card_that_is_cut_stands_for_its_first_instance(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "pynvml", Several(cut=True, millijoules=5, milliwatts=5))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", name)
    card = find_gpu()
    assert (card.uuid(), card.card_uuid(), card.fingerprint()["mig"]) == ("MIG-1", "GPU-cd56", True)
    assert card.energy_joules() is card.power_watts() is None, "the counter is the whole card's"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert find_gpu().energy_joules() == 0.005


def test_no_driver_is_no_gpu(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(refuses=("nvmlInit",)))
    assert find_gpu() is None
    monkeypatch.setitem(sys.modules, "pynvml", None)  # not installed
    assert find_gpu() is None


def test_fingerprint_holds_what_stays():
    card, nvml = gpu()
    first = card.fingerprint()
    nvml.used, nvml.bits = 10**9, 0x40
    assert card.fingerprint() == first
    assert (first["name"], first["ecc"], first["mig"]) == ("Fake H200", True, False)


def test_a_gpu_that_tells_nothing_is_none_in_the_record():
    """Neither "no throttling" nor "nobody else": both would be claims that nobody checked."""
    (honest,) = [entry for entry in entries_of_file(TRAINERS) if entry.name == "honest"]
    runner = TrainerRunner(honest, Workload(dataset="synthetic", layer_sizes=(784, 10), epochs=2), max_foreign_cores=99)
    card, _ = gpu(refuses=("nvmlDeviceGetCurrentClocksThrottleReasons", "nvmlDeviceGetComputeRunningProcesses"))
    found = runner.run(1, lambda: MemorySampler(card)).disturbance
    assert (found.gpu_throttle_reasons, found.foreign_gpu_processes, found.reasons) == (None, None, ())
