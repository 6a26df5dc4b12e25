"""NVML as the tests need it: a module-like object whose GPU does what a test says."""

from types import SimpleNamespace


class NVMLError(Exception):
    pass


class FakeNvml:
    """One GPU with 80 GiB, ``used`` bytes in use, ``processes`` {pid: bytes or None}, and throttle ``bits``.

    ``millijoules`` and ``milliwatts`` are its energy counter and its power; each of these may be a function, which is
    asked at every reading. ``cut`` is whether it is cut into MIG instances, and ``percent`` how busy it was.
    """

    NVML_CLOCK_SM = 1

    def __init__(self, used=0, processes=None, bits=0, refuses=(), millijoules=0, milliwatts=0, cut=False, percent=0):
        self.used, self.processes, self.bits, self.refuses = used, processes or {}, bits, refuses
        self.millijoules, self.milliwatts, self.cut, self.percent = millijoules, milliwatts, cut, percent
        self.asked = []

    def __getattribute__(self, name):
        if name.startswith("nvml") and name in object.__getattribute__(self, "refuses"):
            raise NVMLError("Not Supported")
        return object.__getattribute__(self, name)

    def nvmlInit(self):
        pass

    def nvmlDeviceGetCount(self):
        return 1

    def nvmlDeviceGetHandleByIndex(self, index):
        self.asked.append(index)
        return "handle"

    def nvmlDeviceGetHandleByUUID(self, uuid):
        self.asked.append(uuid)
        return "handle"

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(used=_now(self.used), total=80 * 2**30)

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in _now(self.processes).items()]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return int(_now(self.millijoules))

    def nvmlDeviceGetUtilizationRates(self, handle):
        return SimpleNamespace(gpu=_now(self.percent), memory=0)

    def nvmlDeviceGetPowerUsage(self, handle):
        return int(_now(self.milliwatts))

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):
        return self.bits

    def nvmlDeviceGetClockInfo(self, handle, clock):
        return 1755

    def nvmlDeviceGetName(self, handle):
        return b"Fake H200"

    def nvmlSystemGetDriverVersion(self):
        return "580.1"

    def nvmlSystemGetCudaDriverVersion_v2(self):
        return 13000

    def nvmlDeviceGetMaxClockInfo(self, handle, clock):
        return 1980

    def nvmlDeviceGetPowerManagementLimit(self, handle):
        return 700_000

    def nvmlDeviceGetEccMode(self, handle):
        return [1, 1]

    def nvmlDeviceGetMigMode(self, handle):
        return [int(self.cut), int(self.cut)]


def _now(value):
    return value() if callable(value) else value
