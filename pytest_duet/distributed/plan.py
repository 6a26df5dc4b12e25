"""Who the workers of a session are: the command line becomes slots of this machine, or a list of machines."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_duet.errors import DuetError
from pytest_duet.plugin import compat
from pytest_duet.plugin.hookspecs import Needs
from pytest_duet.plugin.session import WORKER_INPUT
from pytest_duet.sensors.gpu import visible_gpus
from pytest_duet.workers.slots import Slot, can_cut, share_out

HERE = "here"  # what this machine is called beside others


@dataclass(frozen=True)
class Plan:
    """How a session is spread.

    :param slots: one for each worker, all of this machine; empty where each worker is a machine of its own.
    :param machines: their names, in the order of xdist's specifications; ``("",)`` for this machine alone.
    """

    slots: tuple[Slot, ...]
    machines: tuple[str, ...]


def is_distributed(config: pytest.Config) -> bool:
    """Tell whether pytest-xdist is asked to start workers; ``-n`` and ``--tx`` both set it.

    :raises DuetError: where cores are to be shared out, and there are no workers to have them.
    """
    asked = bool(config.getoption("dist", "no") != "no")
    each = config.getoption("duet_cores_per_worker")
    if each is not None and (each < 1 or not (asked or hasattr(config, "workerinput"))):
        raise DuetError(f"--cores-per-worker={each}: give 1 or more, and -n, how many workers.")
    return asked


def own_slot(config: pytest.Config) -> tuple[bool, Slot | None]:
    """Return whether this is a worker of a distributed session of benchmarks, and its :class:`Slot` if it has one."""
    given = getattr(config, "workerinput", {}).get(WORKER_INPUT)
    if given is None:
        return False, None
    return True, Slot.from_dict(given["slot"]) if given["slot"] else None


def make_plan(config: pytest.Config, needs: Needs) -> Plan:
    """Return the plan of a session; a DuetError says why what it asks for could not be believed."""
    specs, each = compat.worker_specs(config), config.getoption("duet_cores_per_worker")
    if config.getoption("dist") == "each":
        return Plan((), _machines(specs))
    if not all(spec.popen for spec in specs):
        raise DuetError(
            f"--dist={config.getoption('dist')} over several machines: benchmarks would land on machines "
            "by chance. --dist=each runs everything on each of them."
        )
    gpus = [] if needs.device == "cpu" else visible_gpus()
    slots = share_out(len(specs), _cores(), each, gpus)
    if (needs.threads or 1) > len(slots[0].cores):
        owned = len(slots[0].cores)
        raise DuetError(f"--threads={needs.threads}: each worker owns {owned} cores. Give --cores-per-worker.")
    return Plan(tuple(slots), ("",))


def auto_workers(config: pytest.Config, needs: Needs) -> int:
    """Return how many workers ``-n auto`` means: one for each GPU, else for each ``--cores-per-worker`` cores."""
    gpus = [] if needs.device == "cpu" else visible_gpus()
    cores, each = _cores(), config.getoption("duet_cores_per_worker")
    return len(gpus) or next((n for n in range(len(cores), 0, -1) if each and can_cut(n, cores, each)), 1)


def host_of(spec: Any) -> str | None:
    """Return the host of a specification, without the user; None for this machine."""
    address = spec.ssh or spec.vagrant_ssh or spec.socket
    return str(address).split()[-1].rpartition("@")[2] if address else None


def _machines(specs: list[Any]) -> tuple[str, ...]:
    hosts = [host_of(spec) or HERE for spec in specs]
    names = [file_name(spec.id or host) for spec, host in zip(specs, hosts)]
    for given in (hosts, [name.casefold() for name in names]):
        for name in given:
            if given.count(name) > 1:
                raise DuetError(
                    f"--dist=each: {name} is named twice, and two workers on one machine would disturb each other, and "
                    "overwrite each other's files. Name each machine once, --tx ssh=HOST//id=NAME; to use all GPUs of "
                    "this machine, -n."
                )
    return tuple(names)


def file_name(name: str) -> str:
    """Return a machine's name as it may stand in a file's: letters, digits, and no dot at the beginning."""
    return re.sub(r"[^A-Za-z0-9_.-]|^\.", "_", name)


def _cores() -> list[int]:
    try:
        return sorted(os.sched_getaffinity(0))
    except AttributeError:
        raise DuetError("-n: this system cannot keep a worker to cores of its own (Linux can). Give -n0.") from None
