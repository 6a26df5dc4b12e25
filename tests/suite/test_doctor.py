"""The doctor finds what was planted: each trouble in its own row, with the thing to do, and nothing else broken."""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from types import SimpleNamespace

import pytest
from fake_nvml import FakeNvml
from support import ROOT

from benchmarks import __main__
from benchmarks import framework_probe as probe
from benchmarks.doctor import command, frameworks, hooks
from benchmarks.doctor.advice import advise
from benchmarks.doctor.examine import WORKLOAD, Failure, Findings, examine
from benchmarks.frameworks import REGISTRY, entries_of_file
from benchmarks.trainer_runner import TrainerRunner
from pytest_duet import doctor as doctor_package
from pytest_duet.commands import doctor_command
from pytest_duet.commands.doctor_command import as_json, show
from pytest_duet.doctor import BROKEN, MISSING, OK, WARNING, cheap, gpus, machine
from pytest_duet.errors import DuetError
from pytest_duet.plugin import extensions
from pytest_duet.plugin.session import SessionCheckup
from pytest_duet.sensors.gpu import Gpu, cuda_text, cudnn_text
from pytest_duet.sensors.gpu_holders import Held

SICK = ROOT / "tests" / "liars" / "sick_trainers.py"
MODULES = {
    "lacks_a_library": "import ctypes\nctypes.CDLL('libcudnn_planted.so.9')",
    "segfaults": "import ctypes\nctypes.string_at(0)",
    "hangs": "import time\ntime.sleep(600)",
    "loads_old_cudnn": "import ctypes, pathlib\nctypes.CDLL(str(pathlib.Path(__file__).with_name('libcudnn.so.9')))",
    "loads_twice": "import ctypes, pathlib\nhere = pathlib.Path(__file__).parent\n"
    "libraries = [ctypes.CDLL(str(path)) for path in sorted(here.glob('*/libnccl.so.2'))]",
}
OLD_CUDNN = "#include <stddef.h>\nsize_t cudnnGetVersion(void) { return 90100; }\n"
NCCL = "int ncclGetVersion(int *version) { *version = 22705; return 0; }\n"


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Put the sick modules where workers find them; everything else that the doctor looks at is as it should be."""
    for name, code in MODULES.items():
        (tmp_path / f"{name}.py").write_text(f"{code}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "3000")  # so that no cell is wrapped
    monkeypatch.setattr(hooks, "data_set", lambda directory: machine.Row("data set", OK, "MNIST"))
    monkeypatch.setattr(machine, "memory", lambda: machine.Row("memory", OK, "enough"))
    monkeypatch.setattr(machine, "LEAST_DISK_BYTES", 0)
    monkeypatch.setattr(gpus, "look", lambda: gpus.Look(("NVMLError_LibraryNotFound", "")))
    return tmp_path


@pytest.fixture
def doctor(planted, capsys):
    """Run the command; return its exit code and what it printed, parsed if it is JSON."""

    def run(names, *arguments):
        line = ["doctor", f"--framework-path={SICK}", f"--frameworks={names}", "--device=cpu", *arguments]
        code = __main__.main([*line, f"--storage={planted}"])
        out = capsys.readouterr().out
        return code, json.loads(out) if "--json" in arguments else out

    return run


def build_library(source, path):
    path.parent.mkdir(exist_ok=True)
    try:
        line = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(path)]
        subprocess.run(line, input=source, text=True, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no gcc to build a library with")


def of(found, name):
    return [row for row in found["rows"] if row["subject"] == name]


def test_each_planted_trouble_costs_its_own_row(doctor, planted):
    build_library(OLD_CUDNN, planted / "libcudnn.so.9")
    for folder in ("one", "two"):
        build_library(NCCL, planted / folder / "libnccl.so.2")
    names = "lacks-a-library,segfaults,mismatched,doubled,imprecise,not-installed,well"
    code, found = doctor(names, "--json")
    assert code == 1
    for name, state, text, advice in (
        (
            "lacks-a-library",
            BROKEN,
            "raised OSError while it was imported: libcudnn_planted.so.9",
            "install the package",
        ),
        ("segfaults", BROKEN, "died of SIGSEGV while it was imported", "-X faulthandler -c 'import segfaults'"),
        ("mismatched", BROKEN, "loaded cuDNN 9.1.0", "cuDNN 9.10 or a newer 9.x is needed"),
        ("doubled", WARNING, "libnccl is loaded twice", "keep one"),
        ("imprecise", BROKEN, "float32 is not float32 on cpu: a product's relative error is 1.0e-03", "unset what"),
        ("not-installed", BROKEN, "no_such_module not installed in", "`pip install no_such_module`"),
        ("well", OK, "trains on cpu", ""),
    ):
        (row,) = of(found, name)
        assert row["state"] == state, row
        assert text in row["found"] and advice in row["advice"], row
    assert "compiled with 9.10.2" in of(found, "mismatched")[0]["found"]
    assert 'segfaults.py", line 2 in <module>' in of(found, "segfaults")[0]["detail"], "where it died"
    (doubled,) = [framework for framework in found["frameworks"] if framework["name"] == "doubled"]
    versions = {library["version"] for library in doubled["libraries"] if library["name"] == "libnccl"}
    assert versions == {"2.27.5"}, "what the library itself says"
    assert [row["state"] for row in found["rows"] if row["subject"] not in names.split(",")].count(BROKEN) == 0


def test_an_import_that_hangs_is_ended(planted):
    (entry,) = [entry for entry in entries_of_file(SICK) if entry.name == "hangs"]
    found = examine(TrainerRunner(entry, WORKLOAD, timeout_seconds=1))
    (row,) = frameworks.rows(found)
    assert row.state == BROKEN
    assert row.found == (
        "did not answer within 1 s while it was imported and was killed (--worker-timeout sets the limit)"
    )
    assert "-c 'import hangs'` to see where it hangs; if it is only slow, give --timeout more" in row.advice


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wrong-product", "a matrix product on cpu is wrong: relative error 5.0e-01"),
        ("endless-product", "a matrix product on cpu is not finite"),
        ("misshapen-product", "matrix_product() gave a product of the shape (384, 256), not (256, 384)"),
        ("too-fast", "parity fails at step 2 of 2"),
        ("no-such-class", "defines no NoSuchClass"),
    ],
)
def test_what_is_computed_wrong_is_broken(doctor, name, text):
    code, found = doctor(name, "--json")
    (row,) = of(found, name)
    assert (code, row["state"]) == (1, BROKEN)
    assert text in row["found"] and row["advice"]


def test_a_trainer_that_knows_the_cpu_alone_is_asked_so(doctor):
    code, found = doctor("old-interface", "--json")
    assert code == 0
    assert found["frameworks"][0]["product"]["relative_error"] < 1e-6


def test_the_table_says_what_the_json_says(doctor, monkeypatch):
    names = "well,segfaults,flagged,not-installed"
    chosen = SimpleNamespace(frameworks=[names], framework_path=[SICK], python=[], envs=None, device="cpu", timeout=60)
    kept = command._examine(chosen)
    monkeypatch.setattr(command, "_examine", lambda chosen: kept)
    (code, found), (code_too, table) = doctor(names, "--json"), doctor(names)
    assert code == code_too == 1
    lines = {" ".join(line.split()) for line in table.splitlines()}
    for row in found["rows"]:
        state = row["state"] if row["state"] == OK else row["state"].upper()
        assert " ".join([row["subject"], state, row["found"], row["advice"]]).strip() in lines
        assert row["detail"].strip() in table
    for framework in found["frameworks"]:
        for library in framework["libraries"] if framework["imported"] else ():
            assert library["path"] in table
    assert table.rstrip().endswith("11 rows: 2 broken, 1 warning, 8 ok."), table


def test_what_is_missing_is_broken_only_where_it_was_named(doctor):
    code, found = doctor("not-inst*,well", "--json")
    assert (code, of(found, "not-installed")[0]["state"]) == (0, MISSING)
    assert doctor("not-installed")[0] == 1


@pytest.mark.parametrize("arguments", [["--timeout=0"], ["--frameworks=nobody"], ["--python=torch"]])
def test_nonsense_is_refused(planted, capsys, arguments):
    assert __main__.main(["doctor", *arguments]) == 2
    assert arguments[0].split("=")[0] in capsys.readouterr().err


def test_every_field_of_the_json_is_documented(doctor):
    _, found = doctor("well,segfaults", "--json")
    documented = (ROOT / "RESULTS.md").read_text().partition("## `python -m benchmarks doctor --json`")[2]
    keys = set(found)
    for record in (*found["rows"], *found["frameworks"]):
        keys.update(record)
    by_name = {framework["name"]: framework for framework in found["frameworks"]}
    keys.update(by_name["well"]["imported"], by_name["well"]["about"], by_name["segfaults"]["failure"])
    assert {key for key in keys if f"`{key}`" not in documented} == set()


# What a framework says, and what that means where there is a GPU

H200 = {"name": "Fake H200", "driver": "535.1", "driver_cuda": 12020}


def findings(**known):
    imported = {"versions": {"torch": "1.0"}, "python": "3.12.1", "import_seconds": 1.0}
    return Findings("torch", None, ("torch",), **{"imported": imported, "device": "cpu", **known})


@pytest.mark.parametrize(
    ("about", "text", "advice"),
    [
        ({"cuda": None}, "a build without CUDA", "requirements-gpu.txt"),
        ({"cuda": "13.0"}, "built for CUDA 13.0, and driver 535.1 knows CUDA up to 12.2", "a build for CUDA 12"),
        ({"cuda": "12.8", "no_gpu_because": "no device\nat all"}, "(no device)", "CUDA_VISIBLE_DEVICES"),
        ({}, "sees no GPU, and NVML sees Fake H200", "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_a_gpu_that_the_framework_does_not_see(about, text, advice):
    (row,) = frameworks.rows(findings(about=about), gpu=H200)
    assert row.state == BROKEN and text in row.found and advice in row.advice
    insisted = findings(
        about=about, device=None, failure=Failure("failed", "train", "whatever it says", cause="no GPU")
    )
    (same,) = frameworks.rows(insisted, gpu=H200, device="gpu")
    assert (same.state, same.advice) == (BROKEN, row.advice) and text in same.found
    assert frameworks.rows(findings(about=about), gpu=H200, device="cpu")[0].state == OK
    assert frameworks.rows(findings(about=about))[0].state == OK
    assert frameworks.rows(findings(about={**about, "cpu_only": "it is old"}), gpu=H200)[0].state == OK
    assert frameworks.rows(findings(about=about, device="gpu:Fake H200"), gpu=H200)[0].state == OK


@pytest.mark.parametrize(
    ("built", "loaded", "fits"),
    [
        ("9.10.2", "9.10.1", True),  # patch releases are interchangeable
        ("9.3", "9.10.2", True),
        ("9", "9.1.0", True),  # TensorFlow tells the major release alone
        ("9.10.2", "9.9.0", False),
        ("8.9.2", "9.1.0", False),
        ("9.1.0", "8.9.2", False),
        (None, "9.1.0", True),
        ("9.1.0", None, True),
    ],
)
def test_which_cudnn_fits(built, loaded, fits):
    library = {"name": "libcudnn", "version": loaded, "path": "/usr/lib/libcudnn.so.9"}
    rows = frameworks.rows(findings(about={"cudnn": built}, libraries=(library,)))
    assert [row.state for row in rows] == ([OK] if fits else [BROKEN])


def test_the_worst_trouble_leads_and_all_are_told():
    libraries = tuple({"name": "libgomp", "version": "1", "path": f"/{place}/libgomp.so.1"} for place in "ab")
    product = {"relative_error": 0.5}
    rows = frameworks.rows(findings(about={"xla_flags": "--x"}, libraries=libraries, product=product))
    assert [row.state for row in rows] == [BROKEN, WARNING, WARNING]
    assert "is wrong" in rows[0].found and "torch 1.0" in rows[0].found, "and what it is"
    assert all(row.advice for row in rows)


def test_hardware_that_is_not_there_is_nothing_to_mend():
    found = Findings("torch-cudagraph", None, failure=Failure("hardware", "train", "CUDA graphs need an NVIDIA GPU"))
    (row,) = frameworks.rows(found, asked=True)
    assert (row.state, row.found, row.advice) == (MISSING, "CUDA graphs need an NVIDIA GPU", "")


@pytest.mark.parametrize(
    ("cause", "text", "what"),
    [
        ("raised", "libcuda.so.1: cannot open shared object file", "install the NVIDIA driver"),
        ("raised", "[Errno 2] No such file or directory: 'clang'", "`apt-get install clang`"),
        ("raised", "InvalidCxxCompiler: No working C++ compiler found", "`apt-get install g++`"),
        ("raised", "raised ImportError: /lib/libc.so.6: version `GLIBC_2.35' not found", "needs GLIBC_2.35"),
        ("raised", "undefined symbol: cublasLtCreate", "no cublasLtCreate"),
        ("SIGILL", "", "for this processor"),
        ("SIGKILL", "", "free memory"),
        ("SIGABRT", "", "to see where it dies"),
        ("no start", "", "--python"),
        ("exit", "", "what its interpreter lacks"),
        ("raised", "ValueError: it died of SIGILL", "run `/a/python -X faulthandler -c 'import torch'` and read"),
    ],
)
def test_advice_goes_by_how_it_failed(cause, text, what):
    assert what in advise(Failure("failed", "import", text, cause=cause), "/a/python", "torch")


def test_versions_as_numbers_become_text():
    assert [cudnn_text(number) for number in (91002, 90100, 8902)] == ["9.10.2", "9.1.0", "8.9.2"]
    assert [cuda_text(number) for number in (12080, 11000)] == ["12.8", "11.0"]


def test_libraries_are_read_from_the_map_of_the_process(tmp_path):
    maps = tmp_path / "maps"
    maps.write_text(
        "7f00-7f01 r-xp 00000000 08:01 1  /site packages/torch/lib/libgomp-a34b3233.so.1.0.0\n"
        "7f01-7f02 rw-p 00000000 08:01 1  /site packages/torch/lib/libgomp-a34b3233.so.1.0.0\n"
        "7f02-7f03 r-xp 00000000 08:01 2  /usr/lib/libcublasLt.so.12.8.4.1 (deleted)\n"
        "7f03-7f04 r-xp 00000000 08:01 3  /usr/lib/libc.so.6\n"
        "7f04-7f05 rw-p 00000000 00:00 0  [heap]\n"
        "7f05-7f06 rw-p 00000000 00:00 0\n"
    )
    assert probe.libraries(maps) == [
        {"name": "libgomp", "version": "1.0.0", "path": "/site packages/torch/lib/libgomp-a34b3233.so.1.0.0"},
        {"name": "libcublasLt", "version": "12.8.4.1", "path": "/usr/lib/libcublasLt.so.12.8.4.1"},
    ]
    assert probe.libraries(tmp_path / "nothing") == []


# GPUs and NVML


class Nvml(FakeNvml):
    """Also counts its GPUs, and may fail to start."""

    def __init__(self, fails=None, count=1, **state):
        super().__init__(**state)
        self.fails, self.count = fails, count

    def nvmlInit(self):
        if self.fails:
            raise type(self.fails, (Exception,), {})(f"{self.fails} it is")

    def nvmlDeviceGetCount(self):
        return self.count

    def nvmlDeviceGetPowerManagementDefaultLimit(self, handle):
        return 700_000


def look(monkeypatch, nvml, device_file=False, visible=None):
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(gpus, "DEVICE_FILES", ("/dev/null",) if device_file else ())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    return gpus.look()


@pytest.mark.parametrize(
    ("nvml", "state_without_a_device", "text", "advice"),
    [
        (None, OK, "nvidia-ml-py is not installed", "pip install nvidia-ml-py"),
        (Nvml("NVMLError_LibraryNotFound"), OK, "library is not found", "install the NVIDIA driver"),
        (Nvml("NVMLError_DriverNotLoaded"), WARNING, "module is not loaded", "modprobe nvidia"),
        (Nvml("NVMLError_LibRmVersionMismatch"), WARNING, "two versions", "reboot"),
        (Nvml("NVMLError_NoPermission"), WARNING, "may not use the GPU", "the group"),
        (Nvml("NVMLError_Unknown"), WARNING, "NVMLError_Unknown it is", "nvidia-smi"),
    ],
    ids=["no module", "no driver", "not loaded", "mismatch", "no permission", "other"],
)
def test_each_way_that_nvml_fails_has_its_advice(monkeypatch, nvml, state_without_a_device, text, advice):
    (row,) = gpus.rows(look(monkeypatch, nvml))
    assert row.state == state_without_a_device and text in row.found
    assert bool(row.advice) == (row.state != OK)
    for device_file, device in ((True, "auto"), (False, "gpu")):
        (row,) = gpus.rows(look(monkeypatch, nvml, device_file), device)
        assert row.state == BROKEN and text in row.found and advice in row.advice


def test_a_driver_without_a_gpu(monkeypatch):
    assert [row.state for row in gpus.rows(look(monkeypatch, Nvml(count=0)))] == [WARNING]
    assert [row.state for row in gpus.rows(look(monkeypatch, Nvml(count=0)), "gpu")] == [BROKEN]


def test_a_well_gpu_is_described(monkeypatch):
    (row,) = gpus.rows(look(monkeypatch, Nvml()))
    assert (row.subject, row.state) == ("GPU 0", OK)
    assert row.found == (
        "Fake H200, 80 GiB, driver 580.1, knows CUDA 13.0, SM clock now 1755 MHz, at most 1980 MHz, power cap 700 W, "
        "ECC on, MIG off"
    )


@pytest.mark.parametrize(
    ("state", "found", "text"),
    [
        ({"bits": 0x40}, WARNING, "hardware thermal slowdown"),
        ({"processes": {4321: 5 * 2**30}, "used": 6 * 2**30}, WARNING, "compute on it: 4321 (6.0 GiB in use)"),
        ({"nvmlDeviceGetPowerManagementLimit": 300_000}, WARNING, "capped at 300 W, by default 700 W"),
        ({"nvmlDeviceGetTotalEccErrors": 2}, BROKEN, "2 uncorrected memory errors"),
        ({"nvmlDeviceGetMigMode": [1, 1]}, WARNING, "MIG instances"),
    ],
)
def test_what_makes_a_gpu_s_figures_doubtful(monkeypatch, state, found, text):
    nvml = Nvml(count=2, **{name: value for name, value in state.items() if not name.startswith("nvml")})
    for name in state:
        if name.startswith("nvml"):
            setattr(nvml, name, lambda *arguments, name=name: state[name])
    rows = gpus.rows(look(monkeypatch, nvml))
    assert [(row.subject, row.state) for row in rows] == [
        ("GPU 0", OK),
        ("GPU 0", found),
        ("GPU 1", OK),
        ("GPU 1", found),
    ]
    assert text in rows[1].found and rows[1].advice


def test_a_full_power_draw_and_this_very_process_are_no_trouble(monkeypatch):
    nvml = Nvml(bits=0x04 | 0x01, processes={os.getpid(): 2**30})
    assert [row.state for row in gpus.rows(look(monkeypatch, nvml))] == [OK]


def test_gpus_that_are_hidden(monkeypatch):
    *_, row = gpus.rows(look(monkeypatch, Nvml(), visible=""))
    assert row.state == WARNING and "CUDA_VISIBLE_DEVICES hides all GPUs" in row.found
    assert len(gpus.rows(look(monkeypatch, Nvml(), visible="0"))) == 1
    *_, row = gpus.rows(look(monkeypatch, Nvml(), visible="NoDevFiles"))
    assert "CUDA_VISIBLE_DEVICES hides all GPUs" in row.found


class EightGpus(Nvml):
    """Handles are numbers; each has a UUID and a process of its own."""

    def __init__(self):
        super().__init__(count=8)

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetUUID(self, handle):
        return f"GPU-fake-{handle}"

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        return [SimpleNamespace(pid=4000 + handle, usedGpuMemory=2**30)]


def test_of_many_gpus_only_those_that_are_trained_on_are_judged(monkeypatch):
    rows = gpus.rows(look(monkeypatch, EightGpus(), visible="3"))
    assert [row.subject for row in rows if row.state != OK] == ["GPU 3"]
    assert [row.found for row in rows if "4003" in row.found] == [
        "other processes compute on it: 4003 (0.0 GiB in use)"
    ]
    assert sum("hides it" in row.found for row in rows) == 7
    every = gpus.rows(look(monkeypatch, EightGpus()))
    assert [row.subject for row in every if row.state != OK] == [f"GPU {number}" for number in range(8)]


def test_nvml_is_asked_about_the_worker_while_it_trains_on_a_gpu():
    seen = []

    def processes():
        seen.extend(child.pid for child in pytest.importorskip("psutil").Process().children() if child.pid not in seen)
        return dict.fromkeys(seen, 7 * 2**20)

    nvml = Nvml(processes=processes)
    (entry,) = [entry for entry in entries_of_file(SICK) if entry.name == "on-a-gpu"]
    found = examine(TrainerRunner(entry, WORKLOAD), Gpu(nvml, "handle"))
    assert (found.device, found.failure) == ("gpu:Fake H200", None)
    assert found.held.process_bytes == 7 * 2**20
    assert found.product["relative_error"] < 1e-6, "on the device that it trains on"
    assert frameworks.rows(found, gpu=H200)[0].state == OK


def test_whether_nvml_shows_what_a_process_holds(capsys):
    shown, hidden = Held(5, 6, None, frozenset()), Held(None, 6, "NVML lists no process", frozenset())
    assert gpus.memory_by_process([None]) == [], "nobody trained on a GPU, so nobody knows"
    assert [row.state for row in gpus.memory_by_process([None, hidden, shown])] == [OK]
    (row,) = gpus.memory_by_process([hidden])
    assert row.state == WARNING and "NVML lists no process" in row.found and "--pid=host" in row.advice
    look = gpus.Look(cards=({"holders": {1: 2}},))
    show([row], as_json(look, frameworks=[asdict(findings(held=hidden))]))
    found = json.loads(capsys.readouterr().out)
    assert found["frameworks"][0]["held"]["others"] == []
    assert found["gpus"] == [{"holders": {"1": 2}}]


# The machine, made up below a folder


def made_up(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


CGROUPS = {
    "version 2": {
        "proc/self/cgroup": "0::/outer/inner\n",
        "sys/fs/cgroup/outer/inner/cpu.max": "max 100000\n",
        "sys/fs/cgroup/outer/cpu.max": "50000 100000\n",
        "sys/fs/cgroup/outer/memory.max": f"{3 * 2**30}\n",
        "sys/fs/cgroup/outer/memory.current": f"{2 * 2**30}\n",
        "sys/fs/cgroup/outer/memory.stat": f"anon 5\ninactive_file {2**30}\n",
    },
    "version 1, its path the host's": {
        "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{3 * 2**30}\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{2 * 2**30}\n",
        "sys/fs/cgroup/memory/memory.stat": f"total_inactive_file {2**30}\n",
    },
}
UNLIMITED = {
    "proc/self/cgroup": "5:cpu:/\n4:memory:/\n0::/\n",
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu.max": "max 100000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "5\n",
    "sys/fs/cgroup/memory.max": "max\n",
    "proc/meminfo": f"MemTotal: {2**25} kB\nMemAvailable: {2**24} kB\n",
}


@pytest.mark.parametrize("files", CGROUPS.values(), ids=CGROUPS)
def test_a_container_s_limits_count(tmp_path, files):
    root = made_up(tmp_path, {**files, "proc/meminfo": f"MemAvailable: {2**24} kB\n"})
    cores, memory = machine.cores(root), machine.memory(root)
    assert cores.state == WARNING and "the time of 0.5" in cores.found and "--threads=1" in cores.advice
    assert memory.state == WARNING and memory.found.startswith("2.0 GiB free in this container")


def test_no_limits_are_no_trouble(tmp_path):
    root = made_up(tmp_path, UNLIMITED)
    assert (machine.cores(root).state, machine.memory(root).state) == (OK, OK)
    assert machine.memory(root).found == "16.0 GiB free"
    nothing = tmp_path / "nothing"
    assert (machine.cores(nothing).state, machine.memory(nothing).state) == (OK, OK), "not Linux"


@pytest.mark.parametrize(
    ("governors", "state"), [([], OK), (["performance"] * 2, OK), (["performance", "powersave"], WARNING)]
)
def test_the_governor_of_every_core_counts(tmp_path, governors, state):
    place = "sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor"
    row = machine.governor(made_up(tmp_path, {place.format(i): f"{name}\n" for i, name in enumerate(governors)}))
    assert row.state == state
    assert ("powersave" in row.found) == (state == WARNING)


def test_storage_and_disk(tmp_path, monkeypatch):
    assert machine.storage(tmp_path / "not" / "yet").state == OK
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"
    row = machine.storage("/proc/nowhere")
    assert (
        row.state == BROKEN and "/proc/nowhere cannot be written" in row.found and "--benchmark-storage" in row.advice
    )
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: SimpleNamespace(free=2**20))
    assert machine.disk(tmp_path).state == WARNING


def test_a_place_that_cannot_be_looked_at_costs_its_own_row(tmp_path, monkeypatch):
    """A name that is too long stands for what the user may not enter, which root may: both make Path.is_dir raise."""
    monkeypatch.setenv("FRAMEWORK_BENCHMARKS_CACHE", str(tmp_path / ("x" * 300)))
    monkeypatch.setattr(machine, "LEAST_DISK_BYTES", 0)
    assert machine.disk(tmp_path, hooks.pytest_duet_doctor_folders()).state == OK
    assert machine.storage(tmp_path / ("x" * 300)).state == OK

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(machine.shutil, "disk_usage", refuse)
    row = machine.disk(tmp_path)
    assert row.state == WARNING and "Permission denied" in row.found and "XDG_CACHE_HOME" in row.advice
    assert "disk" in [row.subject for row in cheap(tmp_path, device="cpu")]


def test_the_data_set(tmp_path, monkeypatch):
    monkeypatch.delenv("MNIST_DIR", raising=False)
    monkeypatch.setenv("FRAMEWORK_BENCHMARKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    row = hooks.data_set()
    assert row.state == WARNING and "not on this machine yet" in row.found and "--mnist-dir" in row.advice
    row = hooks.data_set(str(tmp_path))
    assert row.state == BROKEN and "there is no train-images-idx3-ubyte" in row.found
    assert not (tmp_path / "cache").exists(), "nothing was fetched"


# Before every session

FAKE_PYNVML = """
class NVMLError_LibRmVersionMismatch(Exception):
    pass

def nvmlInit():
    raise NVMLError_LibRmVersionMismatch("planted")
"""


def test_a_session_says_what_is_amiss_unless_it_is_to_be_quiet(command, tmp_path):
    (tmp_path / "pynvml.py").write_text(FAKE_PYNVML)
    line, environment = command("--collect-only")
    environment["PYTHONPATH"] = str(tmp_path)

    def output(*arguments):
        return subprocess.run([*line, *arguments], cwd=ROOT, env=environment, text=True, capture_output=True).stdout

    said = output()
    assert said.count("check-up, GPU: the driver was updated while it was loaded") == 1
    assert "To do: reboot the machine" in said
    assert "check-up" not in output("-q")
    assert "check-up, GPU" not in output("--device=cpu")


def test_a_check_up_that_fails_ends_no_session(monkeypatch):
    def fails(storage, device, hook):
        raise OSError("no such\nthing")

    monkeypatch.setattr(doctor_package, "cheap", fails)
    config = SimpleNamespace(getoption=lambda name: "file://./.benchmarks", hook=None)
    assert SessionCheckup("cpu").pytest_report_header(config) == ["check-up failed: OSError: no such thing"]


def test_the_cheap_part_is_silent_where_all_is_well(tmp_path, monkeypatch):
    for name in ("cores", "governor", "memory"):
        monkeypatch.setattr(machine, name, lambda name=name: machine.Row(name, OK, "fine"))
    monkeypatch.setattr(machine, "LEAST_DISK_BYTES", 0)
    look(monkeypatch, Nvml())
    assert cheap(tmp_path) == []
    monkeypatch.setattr(machine, "governor", lambda: machine.Row("CPU governor", WARNING, "powersave", "do"))
    look(monkeypatch, Nvml(bits=0x08))
    assert [row.subject for row in cheap(tmp_path)] == ["CPU governor", "GPU 0"]
    assert [row.subject for row in cheap("/proc/nowhere", device="cpu")][-1] == "storage"


def test_the_real_thing(planted):
    """As somebody would run it, of two frameworks that every environment of the suite has."""
    line = [sys.executable, "-m", "benchmarks", "doctor", "--frameworks=numpy,jax", "--device=cpu", "--json"]
    done = subprocess.run([*line, f"--storage={planted}"], cwd=ROOT, text=True, capture_output=True, timeout=120)
    found = json.loads(done.stdout)
    by_name = {framework["name"]: framework for framework in found["frameworks"]}
    assert set(by_name) == {"numpy", "jax"} <= set(REGISTRY)
    for framework in by_name.values():
        assert framework["failure"] is None and framework["parity"] is None
        assert framework["product"]["relative_error"] < 1e-6
    assert {"cuda", "cudnn", "devices", "tf32_by_default", "xla_flags"} <= set(by_name["jax"]["about"])
    assert by_name["jax"]["imported"]["import_seconds"] > 0


def test_what_torch_and_jax_were_built_for(monkeypatch):
    torch, lib = pytest.importorskip("torch"), pytest.importorskip("jax._src.lib")
    from benchmarks.frameworks.engines.jax_engine import built_for
    from benchmarks.frameworks.engines.torch_engine import about_torch

    cudnn = SimpleNamespace(getCompileVersion=lambda: (9, 10, 2))
    versions = SimpleNamespace(cuda_runtime_build_version=lambda: 12090, cudnn_build_version=lambda: 90800)
    monkeypatch.setattr(torch._C, "_cudnn", cudnn, raising=False)
    monkeypatch.setattr(lib, "cuda_versions", versions)
    assert about_torch()["cudnn"] == "9.10.2"
    assert built_for() == {"cuda": "12.9", "cudnn": "9.8.0"}
    monkeypatch.delattr(torch._C, "_cudnn")
    monkeypatch.setattr(lib, "cuda_versions", None)
    assert about_torch()["cudnn"] is None
    assert built_for() == {"cuda": None, "cudnn": None}
    assert about_torch()["devices"][0] == "cpu"


# The doctor of any suite


def generic(*arguments, plugins=()):
    """Run the doctor that knows no suite, and return its exit code."""
    parser = argparse.ArgumentParser()
    doctor_command.add_parser(parser.add_subparsers(), extensions.manager(*plugins).hook)
    chosen = parser.parse_args(["doctor", "--device=cpu", *arguments])
    return chosen.run(chosen)


def test_a_doctor_without_a_suite_looks_at_the_machine(planted, capsys):
    assert generic(f"--storage={planted}", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["subject"] for row in found["rows"]] == ["cores", "CPU governor", "memory", "disk", "storage", "GPU"]
    assert set(found) == {"schema", "rows", "gpus"}


def test_a_plugin_adds_rows_and_folders(planted, capsys, monkeypatch):
    def nowhere():
        raise DuetError("set A_CACHE.")

    plugin = SimpleNamespace(
        pytest_duet_doctor_rows=lambda chosen: [machine.Row("a licence", BROKEN, "expired", "renew it")],
        pytest_duet_doctor_folders=lambda: {"the scratch files": nowhere},
    )
    monkeypatch.setenv("COLUMNS", "3000")
    assert generic(f"--storage={planted}", plugins=[plugin]) == 1
    lines = {" ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    assert {
        "a licence BROKEN expired renew it",
        "disk WARNING there is no place for the scratch files set A_CACHE.",
    } <= lines


def test_a_doctor_without_a_suite_imports_none():
    code = "import sys, argparse\nfrom pytest_duet.commands import doctor_command\n"
    code += "parser = argparse.ArgumentParser()\ndoctor_command.add_parser(parser.add_subparsers())\n"
    code += "chosen = parser.parse_args(['doctor', '--storage=/tmp'])\nchosen.run(chosen)\n"
    code += "sys.exit([name for name in sys.modules if name.startswith('benchmarks')] or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True)
    assert done.stderr == "" and "rows: " in done.stdout
