"""One NVIDIA GPU through NVML. Every reading that this machine refuses is None."""

from __future__ import annotations

import importlib
import os
from typing import Any, Iterable, Iterator

# NVML's bits for why clocks are down (nvml.h). Idle and clocks set by the user are no throttling.
THROTTLE_REASONS = {
    0x04: "software power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}
NVML_CLOCK_SM = 1
MPS_SERVER = "nvidia-cuda-mps-server"
NOT_AVAILABLE = 2**64 - 1
POWER_CAP = THROTTLE_REASONS[0x04]  # part of running flat out at the card's rated power, so no disturbance


def find_gpu() -> Gpu | None:
    """Return the GPU that CUDA would take first, or None where NVML or a GPU is missing."""
    return next(iter(visible_gpus()), None)


def visible_gpus() -> list[Gpu]:
    """Return each GPU that CUDA would see, in its order; empty where NVML or a GPU is missing."""
    try:
        nvml = _nvml()
        return [Gpu(nvml, handle) for handle in _visible(nvml)]
    except Exception:  # no module, no driver, no device: each has its own exception, and all mean no GPU
        return []


def all_gpus() -> list[Gpu]:
    """Return each GPU of the machine, hidden ones too, in NVML's order.

    :raises Exception: where NVML cannot be used: ImportError without ``pynvml``, else NVML's own, named by its class.
    """
    nvml = _nvml()
    return [Gpu(nvml, nvml.nvmlDeviceGetHandleByIndex(i)) for i in range(nvml.nvmlDeviceGetCount())]


def _nvml() -> Any:
    nvml = importlib.import_module("pynvml")
    nvml.nvmlInit()
    return nvml


def _visible(nvml: Any) -> Iterator[Any]:
    """Yield NVML's handle of each GPU that CUDA would see, up to the first name that is none, as CUDA does."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    for name in range(nvml.nvmlDeviceGetCount()) if chosen is None else chosen.split(","):
        try:
            handle = _handle(nvml, str(name).strip())
        except Exception:  # "", "-1", "NoDevFiles", "void", and whatever NVML says of a number or a UUID of none
            return
        yield _first_instance(nvml, handle)


def _handle(nvml: Any, name: str) -> Any:
    if not name.startswith(("GPU-", "MIG-")):
        if not name.isdigit():
            raise ValueError(name)
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    try:
        return nvml.nvmlDeviceGetHandleByUUID(name)
    except Exception:  # CUDA also takes the beginning of a UUID, where no other GPU's begins like that
        every = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
        (handle,) = [handle for handle in every if str(_text(nvml.nvmlDeviceGetUUID(handle))).startswith(name)]
        return handle


def _first_instance(nvml: Any, handle: Any) -> Any:
    """Return the first MIG instance of a card that is cut into some, which is what CUDA computes on; else the card."""
    try:
        if not nvml.nvmlDeviceGetMigMode(handle)[0]:
            return handle
        instances = range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle))
    except Exception:  # no MIG here, or it is an instance itself
        return handle
    for number in instances:
        try:
            return nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
        except Exception:  # no instance has this number
            continue
    return handle


class Gpu:
    """A GPU and what NVML (the module ``pynvml``) tells of it, by its handle of the device."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle

    def uuid(self) -> str | None:
        """Return what CUDA_VISIBLE_DEVICES may call it, however many there are; None where NVML does not say."""
        return _text(self._ask("nvmlDeviceGetUUID"))

    def used_bytes(self) -> int | None:
        """Return the device memory in use, by whomever."""
        info = self._ask("nvmlDeviceGetMemoryInfo")
        return None if info is None else int(info.used)

    def holders(self) -> dict[int, int | None] | None:
        """Return the memory of each process that computes here, ``{id: bytes}``; None if NVML refuses to list them.

        An MPS server is none of them: it computes nothing itself. The ids are the host's where a container does not
        hide them; the bytes of one that NVML does not tell are None. Of a MIG instance, the list is that of the handle:
        the instance's with its UUID, else the whole card's.
        """
        processes = self._ask("nvmlDeviceGetComputeRunningProcesses")
        if processes is None:
            return None
        held: dict[int, int | None] = {}
        servers = self._mps_servers(processes)
        for process in (process for process in processes if process.pid not in servers):
            size = _known_bytes(process.usedGpuMemory)
            before = held.get(process.pid)
            held[process.pid] = size if before is None else before + (size or 0)
        return held

    def mps_servers(self) -> list[int]:
        """Return the ids of the servers that have processes share this GPU (CUDA's Multi-Process Service)."""
        return sorted(self._mps_servers(self._ask("nvmlDeviceGetComputeRunningProcesses") or ()))

    def _mps_servers(self, processes: Iterable[Any]) -> set[int]:
        names = {each.pid: str(_text(self._call("nvmlSystemGetProcessName", each.pid))) for each in processes}
        return {pid for pid, name in names.items() if name.rpartition("/")[2].startswith(MPS_SERVER)}

    def energy_joules(self) -> float | None:
        """Return the energy that the card took since its driver was loaded; None as for :meth:`power_watts`."""
        millijoules = self._ask("nvmlDeviceGetTotalEnergyConsumption")
        return None if millijoules is None or self._is_cut() else millijoules / 1000

    def power_watts(self) -> float | None:
        """Return what the card draws now; None where NVML does not say, and of a part of a card (MIG)."""
        milliwatts = self._ask("nvmlDeviceGetPowerUsage")
        return None if milliwatts is None or self._is_cut() else milliwatts / 1000

    def busy_percent(self) -> int | None:
        """Return in how much of the last second or less a kernel ran, by whomever; None where NVML does not say."""
        rates = self._ask("nvmlDeviceGetUtilizationRates")
        return None if rates is None else int(rates.gpu)

    def card_uuid(self) -> str | None:
        """Return the UUID of the card that it is or, as a MIG instance, is a part of; None where NVML does not say."""
        card = self._ask("nvmlDeviceGetDeviceHandleFromMigDeviceHandle") if self._is_instance() else None
        return (self if card is None else Gpu(self._nvml, card)).uuid()

    def clock_mhz(self) -> int | None:
        """Return the clock of the streaming multiprocessors now, in MHz; None where NVML does not say."""
        clock: int | None = self._ask("nvmlDeviceGetClockInfo", NVML_CLOCK_SM)
        return clock

    def celsius(self) -> int | None:
        """Return how hot the chip is, in whole degrees; None where NVML does not say."""
        degrees: int | None = self._ask("nvmlDeviceGetTemperature", 0)  # NVML_TEMPERATURE_GPU
        return degrees

    def throttle_reasons(self) -> list[str] | None:
        """Return the names of the reasons why its clocks are down now; None where NVML does not say."""
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons")
        if bits is None:  # drivers and bindings from before CUDA 12 have the old name alone, and CUDA 14 the new one
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons")
        return None if bits is None else [name for bit, name in THROTTLE_REASONS.items() if bits & bit]

    def fingerprint(self) -> dict[str, Any]:
        """Return what this GPU is and stays: model, memory, driver, the driver's CUDA, highest clock, power limit."""
        memory, ecc = self._ask("nvmlDeviceGetMemoryInfo"), self._ask("nvmlDeviceGetEccMode")
        return {
            "name": _text(self._ask("nvmlDeviceGetName")),
            "memory_bytes": None if memory is None else int(memory.total),
            "driver": _text(self._call("nvmlSystemGetDriverVersion")),
            "driver_cuda": self._call("nvmlSystemGetCudaDriverVersion_v2"),
            "max_sm_clock_mhz": self._ask("nvmlDeviceGetMaxClockInfo", NVML_CLOCK_SM),
            "power_limit_milliwatts": self._ask("nvmlDeviceGetPowerManagementLimit"),
            "ecc": None if ecc is None else bool(ecc[0]),
            "mig": self._is_cut(),
        }

    def health(self) -> dict[str, Any]:
        """Return what may have changed since the card was new, or moves by itself; None for what NVML does not say."""
        uncorrected, volatile = 1, 0  # NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC: since the last reboot
        return {
            "power_default_milliwatts": self._ask("nvmlDeviceGetPowerManagementDefaultLimit"),
            "temperature_celsius": self.celsius(),
            "uncorrected_memory_errors": self._ask("nvmlDeviceGetTotalEccErrors", uncorrected, volatile),
        }

    def _is_cut(self) -> bool | None:
        """Return whether it is cut into MIG instances, or is one; None where NVML does not say."""
        mig = self._ask("nvmlDeviceGetMigMode")
        return True if self._is_instance() else None if mig is None else bool(mig[0])

    def _is_instance(self) -> bool:
        return bool(self._ask("nvmlDeviceIsMigDeviceHandle"))

    def _ask(self, function: str, *arguments: int) -> Any:
        return self._call(function, self._handle, *arguments)

    def _call(self, function: str, *arguments: Any) -> Any:
        try:
            return getattr(self._nvml, function)(*arguments)
        except Exception:  # NVMLError_NotSupported and its kin, or a binding that lacks the call
            return None


def _known_bytes(value: int | None) -> int | None:
    """Return a number of bytes, or None for NVML_VALUE_NOT_AVAILABLE, all bits set (nvml.h), however it is bound.

    Whoever computes holds some: a process with 0 bytes is one that the driver cannot look into, as in some containers.
    """
    return None if value is None or not 0 < value < NOT_AVAILABLE else int(value)


def _text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else value


def cuda_text(number: int) -> str:
    """Return CUDA's version, such as 12080 for 12.8, as text."""
    return f"{number // 1000}.{number % 1000 // 10}"


def cudnn_text(number: int) -> str:
    """Return cuDNN's version as text: 91002 is 9.10.2, and 8902, before release 9, is 8.9.2 (cudnn_version.h)."""
    major, rest = divmod(number, 10_000) if number >= 90_000 else divmod(number, 1_000)
    return f"{major}.{rest // 100}.{rest % 100}"
