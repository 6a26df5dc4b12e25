"""One NVIDIA GPU through NVML. Every reading that this machine refuses is None."""

from __future__ import annotations

import os

# NVML's bits for why clocks are down (nvml.h). Idle and clocks set by the user are no throttling.
THROTTLE_REASONS = {
    0x04: "software power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}
POWER_CAP = THROTTLE_REASONS[0x04]  # part of running flat out at the card's rated power, so no disturbance


def find_gpu():
    """Return the :class:`Gpu` that a framework would take first, or None where NVML or a GPU is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
        return Gpu(pynvml, _first_visible(pynvml))
    except Exception:  # no module, no driver, no device: each has its own exception, and all mean no GPU
        return None


def _first_visible(nvml):
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if first.startswith(("GPU-", "MIG-")):
        return nvml.nvmlDeviceGetHandleByUUID(first)
    return nvml.nvmlDeviceGetHandleByIndex(int(first))  # CUDA_VISIBLE_DEVICES="" hides all: int() refuses, no GPU


class Gpu:
    """A GPU and what NVML tells of it.

    :param nvml: the ``pynvml`` module.
    :param handle: NVML's of the device.
    """

    def __init__(self, nvml, handle):
        self._nvml, self._handle = nvml, handle

    def used_bytes(self):
        """Return the device memory in use, by whomever."""
        info = self._ask("nvmlDeviceGetMemoryInfo")
        return None if info is None else int(info.used)

    def process_bytes(self, pid):
        """Return what NVML books on process ``pid``; None where a container hides it, or it holds nothing yet."""
        for process in self._processes() or ():
            if process.pid == pid and process.usedGpuMemory is not None:
                return int(process.usedGpuMemory)
        return None

    def process_ids(self):
        """Return the ids, as the host counts them, of the processes that hold memory here; None if NVML refuses."""
        processes = self._processes()
        return None if processes is None else sorted(process.pid for process in processes)

    def clock_mhz(self):
        """Return the clock of the streaming multiprocessors now, in MHz; None where NVML does not say."""
        return self._ask("nvmlDeviceGetClockInfo", getattr(self._nvml, "NVML_CLOCK_SM", 1))

    def throttle_reasons(self):
        """Return the names of the reasons why its clocks are down now; None where NVML does not say."""
        bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        return None if bits is None else [name for bit, name in THROTTLE_REASONS.items() if bits & bit]

    def fingerprint(self):
        """Return what this GPU is and stays: model, memory, driver, CUDA of the driver, clocks' and power's limits."""
        memory, mig = self._ask("nvmlDeviceGetMemoryInfo"), self._ask("nvmlDeviceGetMigMode")
        ecc = self._ask("nvmlDeviceGetEccMode")
        return {
            "name": _text(self._ask("nvmlDeviceGetName")),
            "memory_bytes": None if memory is None else int(memory.total),
            "driver": _text(self._ask_system("nvmlSystemGetDriverVersion")),
            "driver_cuda": self._ask_system("nvmlSystemGetCudaDriverVersion_v2"),
            "max_sm_clock_mhz": self._ask("nvmlDeviceGetMaxClockInfo", getattr(self._nvml, "NVML_CLOCK_SM", 1)),
            "power_limit_milliwatts": self._ask("nvmlDeviceGetPowerManagementLimit"),
            "ecc": None if ecc is None else bool(ecc[0]),
            "mig": None if mig is None else bool(mig[0]),
        }

    def _processes(self):
        return self._ask("nvmlDeviceGetComputeRunningProcesses")

    def _ask(self, function, *arguments):
        try:
            return getattr(self._nvml, function)(self._handle, *arguments)
        except Exception:  # NVMLError_NotSupported and its kin, or a binding that lacks the call
            return None

    def _ask_system(self, function):
        try:
            return getattr(self._nvml, function)()
        except Exception:
            return None


def _text(value):
    return value.decode() if isinstance(value, bytes) else value
