"""What one of several pytest workers owns: a GPU and a set of cores that no other worker has."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Sequence

from pytest_duet.errors import DuetError
from pytest_duet.sensors.cpu import hardware_threads, physical_cores
from pytest_duet.sensors.gpu import Gpu


@dataclass(frozen=True)
class Slot:
    """One worker's share of the machine.

    :param workers: how many share it.
    :param cores: the numbers of its cores, as Linux counts them.
    :param gpu: the UUID of its GPU; None where it works on its cores.
    """

    workers: int
    cores: tuple[int, ...]
    gpu: str | None = None

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Slot:
        return cls(**dict(plain, cores=tuple(plain["cores"])))

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain lists, numbers and strings, which cross xdist's channel, for :meth:`from_dict`."""
        return dict(asdict(self), cores=list(self.cores))

    def take(self) -> None:
        """Keep this process, all its threads and whatever it starts to its share."""
        for thread in os.listdir("/proc/self/task"):  # NumPy's are there already, and would take a neighbour's cores
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), self.cores)
        if self.gpu:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpu


def share_out(
    workers: int, cores: Sequence[int], cores_each: int | None = None, gpus: Sequence[Gpu] = ()
) -> list[Slot]:
    """Return each worker's share of the cores, whose numbers these are, and of the GPUs, one each if there are any.

    :param cores_each: None for an equal share, which only workers with a GPU of their own get.
    :raises DuetError: where there is not enough for all, saying of what.
    """
    if gpus:
        _check_gpus(workers, gpus)
    elif not cores_each:
        raise DuetError(
            f"-n {workers}: without a GPU for each, workers need cores of their own, and there are {len(cores)} cores "
            f"here: for example -n {max(workers, 2)} --cores-per-worker={max(1, len(cores) // max(workers, 2))}. "
            "Without -n, one benchmark runs after the other, each on all cores."
        )
    cut = cut_cores(workers, cores, cores_each or equal_share(workers, cores))
    uuids = [gpu.uuid() for gpu in gpus] or [None] * workers
    return [Slot(workers, own, uuid) for own, uuid in zip(cut, uuids)]


def equal_share(workers: int, cores: Sequence[int]) -> int:
    """Return how many cores each worker gets: as many as there are for all, and no half of a physical core."""
    each, threads = len(cores) // workers, max(len(set(hardware_threads(core)).intersection(cores)) for core in cores)
    return each if each * workers <= physical_cores(cores) else max(each - each % threads, 1)


def _check_gpus(workers: int, gpus: Sequence[Gpu]) -> None:
    if workers > len(gpus):
        raise DuetError(
            f"-n {workers}: a worker owns a GPU, and there {'is' if len(gpus) == 1 else 'are'} {len(gpus)} here. Give "
            f"-n {len(gpus)}, or train on cores: --device=cpu --cores-per-worker=N."
        )
    kinds = {str(gpu.fingerprint()): gpu.fingerprint()["name"] for gpu in gpus[:workers]}
    if len(kinds) > 1:
        raise DuetError(
            f"-n {workers}: these GPUs are not alike ({', '.join(map(str, kinds.values()))}; their memory, clocks and "
            "power limits count, too), and benchmarks would land on them arbitrarily. Name alike ones in "
            "CUDA_VISIBLE_DEVICES, or run one session for each."
        )
    if None in [gpu.uuid() for gpu in gpus[:workers]]:
        raise DuetError(f"-n {workers}: NVML does not tell the GPUs' UUIDs here, so none can be owned. Give -n0.")


def can_cut(workers: int, cores: Sequence[int], each: int) -> bool:
    """Tell whether :func:`cut_cores` finds so many cores for so many workers."""
    try:
        return bool(cut_cores(workers, cores, each))
    except DuetError:
        return False


def cut_cores(workers: int, cores: Sequence[int], each: int) -> list[tuple[int, ...]]:
    """Return disjoint tuples of ``each`` cores, one for each worker, which share no physical core.

    Where there are physical cores enough, one hardware thread of each is used; else whole physical cores are dealt out.

    :raises DuetError: where that cannot be.
    """
    if not 1 <= each * workers <= len(cores):
        raise DuetError(
            f"-n {workers} with {each} cores each: there are {len(cores)} cores here. Give fewer workers, or "
            "--cores-per-worker=N."
        )
    whole = [hardware_threads(core) for core in cores]
    firsts = [core for core, threads in zip(cores, whole) if core == min(set(threads).intersection(cores))]
    if each * workers <= len(firsts):
        ordered = sorted(firsts)
    else:
        ordered = [core for _, core in sorted((min(threads), core) for core, threads in zip(cores, whole))]
    cut = [tuple(ordered[i * each : (i + 1) * each]) for i in range(workers)]
    owners = [{min(hardware_threads(core)) for core in own} for own in cut]
    if sum(map(len, owners)) > len(set().union(*owners)):
        raise DuetError(
            f"-n {workers} with {each} cores each: two workers would share a physical core, whose hardware threads "
            "slow each other. Give --cores-per-worker a multiple of the threads of a core, or fewer workers."
        )
    return cut
