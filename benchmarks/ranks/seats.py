"""Where ranks run: on shares of this machine's cores, or on machines that ssh knows."""

from __future__ import annotations

import math
import random
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from pytest_duet.errors import DuetError

REMOTE_PORTS = range(20_000, 30_000)  # below those that Linux hands out by itself


@dataclass(frozen=True)
class Seat:
    """Where one rank runs.

    :param share: which of how many equal shares of the cores it has, from 0: ``(1, 2)`` is the second half.
    :param cores: their numbers, as Linux counts them; None for all that a process may use there.
    :param host: the machine, as ssh knows it; None for this one.
    :param gpus: what CUDA_VISIBLE_DEVICES is to name; empty where it trains on the CPU.
    :param devices: how many devices it has: so many shares of the cores, one after the other, and so many GPUs if any.
    """

    share: tuple[int, int]
    cores: tuple[int, ...] | None = None
    host: str | None = None
    gpus: tuple[str, ...] = ()
    devices: int = 1

    @property
    def address(self):
        """The name that other machines find it by."""
        return self.host.rpartition("@")[2] if self.host else "127.0.0.1"


def seats_of(
    cores: Sequence[int], ranks: int, most: int, hosts: Sequence[str] = (), gpus: Sequence[str | None] | None = None
) -> list[Seat]:
    """Return the seat of each of some ranks, where the most there are to be have all cores of all machines.

    Ranks go round the machines, so that two have one each.

    :param cores: of this machine; not used where there are ``hosts``.
    :param gpus: this machine's, as CUDA_VISIBLE_DEVICES names them; None to train on the CPU. Of ``hosts``, each has as
        many as it has ranks.
    :raises DuetError: where this machine has fewer cores or GPUs than ranks, or a GPU has no name.
    """
    if hosts:
        shares = math.ceil(most / len(hosts))
        places = [(rank // len(hosts), hosts[rank % len(hosts)]) for rank in range(ranks)]
        return [Seat((own, shares), None, host, () if gpus is None else (str(own),)) for own, host in places]
    for what, there in (("cores", cores), ("GPUs", gpus)):
        if there is not None and len(there) < most:
            raise DuetError(f"--devices={most}: there are {len(there)} {what} here, and each rank needs one.")
    if None in (gpus or ()):
        raise DuetError("NVML does not tell the GPUs' UUIDs here, so no rank can be given its own. Give --device=cpu.")
    return [Seat((rank, most), tuple(cores), None, tuple(gpus or ())[rank : rank + 1]) for rank in range(ranks)]


def as_one(seats: Sequence[Seat]) -> Seat:
    """Return the seat of a process that has all that these neighbours have."""
    gpus = tuple(gpu for seat in seats for gpu in seat.gpus)
    return replace(seats[0], gpus=gpus, devices=len(seats))


def addresses_of(seats: Sequence[Seat]) -> tuple[str, ...]:
    """Return an address for each seat, with a port that nobody listens at: of another machine, most probably so."""
    remote = iter(random.sample(REMOTE_PORTS, len(seats)))
    with ExitStack() as stack:
        held = [None if seat.host else stack.enter_context(socket.create_server(("127.0.0.1", 0))) for seat in seats]
        ports = [each.getsockname()[1] if each else next(remote) for each in held]
    return tuple(f"{seat.address}:{port}" for seat, port in zip(seats, ports))
