"""Which of the processes that NVML lists is the worker, and why none of them may be."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Dict, Iterable, Optional

from pytest_duet.sensors.gpu import Gpu
from pytest_duet.sensors.memory import id_in_proc

MIB = 2**20
Holding = Dict[int, Optional[int]]  # bytes by process, as NVML tells them
NOISE_BYTES = 32 * MIB  # no CUDA context is as small; what a display or a daemon takes meanwhile may be


@dataclass(frozen=True)
class Held:
    """What one look at the GPU tells of the worker.

    :param process_bytes: what NVML books on it; None where it does not say.
    :param device_delta_bytes: the device's memory in use above what it was before the worker started, by whomever.
    :param hidden: why ``process_bytes`` is None, in words; None where it is not.
    :param others: ids, as NVML counts, of other processes that compute here; None where it refuses to list any.
    """

    process_bytes: int | None
    device_delta_bytes: int | None
    hidden: str | None
    others: frozenset[int] | None

    @property
    def best(self) -> tuple[int | None, str | None]:
        """What the worker holds and by which source; ``(None, None)`` where neither tells."""
        if self.process_bytes is not None:
            return self.process_bytes, "nvml_process"
        if self.device_delta_bytes is not None and self.device_delta_bytes >= NOISE_BYTES:
            return self.device_delta_bytes, "nvml_device_delta"
        return None, None


class Holders:
    """Finds the worker among those that hold a GPU's memory. Create it before the worker starts.

    In a container, NVML lists nothing, or counts as the host does: then a process of the worker's number may be any
    other. Whoever was listed before the worker was there cannot be the worker.

    :ivar before: ids of those that computed there when this was made, sorted; None where NVML refuses to list any.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._used_before = gpu.used_bytes()
        listed = gpu.holders()
        # This very process hosts the subject with --isolation=none, and may have done so before.
        self.before = None if listed is None else sorted(set(listed) - {os.getpid()})
        self._numbers: dict[int, set[int]] = {}

    def look(self, pid: int, helpers: Iterable[int] = ()) -> Held:
        """Return what the worker ``pid`` holds now, and its helpers, whose ids these are."""
        holders, used = self._gpu.holders(), self._gpu.used_bytes()
        delta = None if used is None or self._used_before is None else used - self._used_before
        worker = self._numbers_of(pid).union(set(helpers) - set(self.before or ()))
        known = [size for its, size in (holders or {}).items() if its in worker and size is not None]
        return Held(
            process_bytes=sum(known) if known else None,
            device_delta_bytes=delta,
            hidden=None if known else self._why(pid, worker, holders, delta),
            others=None if holders is None else self._others(worker, holders),
        )

    def _numbers_of(self, pid: int) -> set[int]:
        """Return the ids under which NVML may list the worker: as we count, and as /proc does, if it is the host's."""
        if pid not in self._numbers:
            self._numbers[pid] = {pid, id_in_proc(pid) or pid} - set(self.before or ())
        return self._numbers[pid]

    def _others(self, worker: set[int], holders: Holding) -> frozenset[int]:
        others = set(holders) - worker - {os.getpid()}
        if not worker.intersection(holders):
            new = others - set(self.before or ())
            others -= new if len(new) == 1 else set()  # the worker, most likely, by a number of the host's
        return frozenset(others)

    def _why(self, pid: int, worker: set[int], holders: Holding | None, delta: int | None) -> str:
        if holders is None:
            why = "NVML does not list this GPU's processes"
        elif pid not in worker:
            why = f"NVML listed a process {pid} before the worker of that number started, so it counts as the host does"
        elif worker.intersection(holders):
            why = "NVML lists the worker without its memory"
        elif holders:
            others = ", ".join(map(str, sorted(holders)))
            why = f"NVML lists {others} and not the worker, {pid}: it counts as the host does"
        else:
            why = "NVML lists no process, as in a container that hides them"
        if delta is not None and delta < NOISE_BYTES:
            why += "; nor did the device's memory in use rise: is this the GPU that is trained on?"
        return why
