"""What each of several workers owns: no core and no GPU twice, and nothing that is not there."""

import json
import os
import subprocess
import sys

import pytest
from fake_nvml import FakeNvml

from pytest_duet.errors import DuetError
from pytest_duet.sensors import cpu, gpu
from pytest_duet.workers import slots
from pytest_duet.workers.slots import Slot, cut_cores, share_out


@pytest.fixture
def topology(monkeypatch):
    """Sets the hardware threads of the cores: ``topology([0, 4], [1, 5])`` is two physical cores of two threads."""

    def build(*physical):
        of = {core: list(threads) for threads in physical for core in threads}
        for module in (cpu, slots):
            monkeypatch.setattr(module, "hardware_threads", lambda core: of[core])
        return sorted(of)

    return build


class Gpus(FakeNvml):
    """Several GPUs, by model; handles are their numbers."""

    models = ("H100", "H100", "H100", "A100")

    def nvmlDeviceGetCount(self):
        return len(self.models)

    def nvmlDeviceGetHandleByIndex(self, index):
        if index >= len(self.models):
            raise ValueError("no such device")
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid):
        return int(uuid.rpartition("-")[2])

    def nvmlDeviceGetUUID(self, handle):
        return f"GPU-fake-{handle}"

    def nvmlDeviceGetName(self, handle):
        return self.models[handle]


@pytest.fixture
def gpus(monkeypatch):
    """Gives the GPUs that CUDA_VISIBLE_DEVICES leaves visible."""
    monkeypatch.setitem(sys.modules, "pynvml", Gpus())

    def visible(names=None):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if names is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)
        return gpu.visible_gpus()

    return visible


def test_plain_cores_are_dealt_out_in_order(topology):
    cores = topology([0], [1], [2], [3])
    assert cut_cores(2, cores, 2) == [(0, 1), (2, 3)]
    assert cut_cores(3, cores, 1) == [(0,), (1,), (2,)]


def test_one_thread_of_each_physical_core_as_long_as_they_last(topology):
    cores = topology([0, 4], [1, 5], [2, 6], [3, 7])
    assert cut_cores(2, cores, 2) == [(0, 1), (2, 3)]
    assert cut_cores(2, cores, 4) == [(0, 4, 1, 5), (2, 6, 3, 7)], "else whole physical cores"


@pytest.mark.parametrize(("threads", "workers", "each"), [(52, 4, 12), (64, 3, 20), (96, 7, 12), (8, 4, 2), (8, 3, 2)])
def test_an_equal_share_is_of_whole_physical_cores(topology, gpus, monkeypatch, threads, workers, each):
    cores = topology(*([core, core + threads // 2] for core in range(threads // 2)))
    monkeypatch.setattr(Gpus, "models", ("H100",) * workers)
    found = share_out(workers, cores, gpus=gpus())
    assert {len(slot.cores) for slot in found} == {each}


def test_no_physical_core_is_shared(topology):
    cores = topology([0, 4], [1, 5], [2, 6], [3, 7])
    with pytest.raises(DuetError, match="two workers would share a physical core"):
        cut_cores(2, cores, 3)
    assert cut_cores(1, cores, 3) == [(0, 1, 2)], "one alone shares with nobody"


def test_cores_that_this_process_may_not_use_are_no_one_s(topology):
    """In a container that has the second hardware threads only, each of them is a physical core's first."""
    topology([0, 4], [1, 5], [2, 6], [3, 7])
    assert cut_cores(2, [4, 5, 6], 1) == [(4,), (5,)]


@pytest.mark.parametrize(("workers", "each"), [(3, 2), (5, 1), (1, 0), (2, -1)])
def test_more_than_there_is_is_refused(topology, workers, each):
    with pytest.raises(DuetError, match="there are 4 cores here"):
        cut_cores(workers, topology([0], [1], [2], [3]), each)


def test_without_gpus_somebody_must_say_how_many_cores(topology):
    with pytest.raises(DuetError, match=r"-n 2: without .* 4 cores here: for example -n 2 --cores-per-worker=2\."):
        share_out(2, topology([0], [1], [2], [3]))


def test_every_worker_owns_a_gpu_and_an_equal_share_of_the_cores(topology, gpus):
    found = share_out(3, topology(*([core] for core in range(7))), gpus=gpus("0,1,2"))
    assert [slot.gpu for slot in found] == ["GPU-fake-0", "GPU-fake-1", "GPU-fake-2"]
    assert [slot.cores for slot in found] == [(0, 1), (2, 3), (4, 5)]
    assert {slot.workers for slot in found} == {3}
    assert [Slot.from_dict(json.loads(json.dumps(slot.as_dict()))) for slot in found] == found


def test_gpus_that_are_not_enough_or_not_alike_are_refused(topology, gpus):
    cores = topology(*([core] for core in range(8)))
    with pytest.raises(DuetError, match=r"-n 3: a worker owns a GPU, and there are 2 here. Give -n 2"):
        share_out(3, cores, gpus=gpus("0,1"))
    with pytest.raises(DuetError, match=r"not alike \(H100, A100;"):
        share_out(4, cores, gpus=gpus())
    assert len(share_out(3, cores, gpus=gpus())) == 3, "those that no worker gets do not matter"


def test_visible_gpus_are_those_that_a_framework_would_see(gpus):
    assert [found.uuid() for found in gpus("GPU-fake-2,0")] == ["GPU-fake-2", "GPU-fake-0"]
    assert gpu.find_gpu().uuid() == "GPU-fake-2", "the first is the one that it takes"
    assert gpus("") == []
    assert len(gpus()) == 4


def test_a_gpu_without_a_name_cannot_be_owned(topology, gpus, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", Gpus(refuses=("nvmlDeviceGetUUID",)))
    with pytest.raises(DuetError, match="NVML does not tell the GPUs' UUIDs"):
        share_out(2, topology([0], [1]), gpus=gpus())


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone")
def test_a_slot_holds_for_a_process_and_for_what_it_starts():
    core = min(os.sched_getaffinity(0))
    code = (
        "import os, subprocess, sys\nfrom pytest_duet.workers.slots import Slot\n"
        f"Slot(2, ({core},), 'GPU-fake-1').take()\n"
        "tell = 'import os; print(os.sched_getaffinity(0), os.environ[\"CUDA_VISIBLE_DEVICES\"])'\n"
        "subprocess.run([sys.executable, '-c', tell], check=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{{{core}}} GPU-fake-1\n"


@pytest.mark.parametrize(
    ("text", "threads"), [("0\n", [0]), ("0,64\n", [0, 64]), ("0-3\n", [0, 1, 2, 3]), ("0-1,8-9\n", [0, 1, 8, 9])]
)
def test_hardware_threads_are_read_as_the_kernel_lists_them(monkeypatch, tmp_path, text, threads):
    (tmp_path / "list").write_text(text)
    monkeypatch.setattr("builtins.open", lambda path, real=open: real(tmp_path / "list"))
    assert cpu.hardware_threads(0) == threads


def test_a_core_that_the_kernel_does_not_describe_has_one_thread():
    assert cpu.hardware_threads(10**6) == [10**6]
