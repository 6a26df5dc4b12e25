"""Where ranks run: on shares of this machine's cores, or on machines that ssh knows."""

from __future__ import annotations

import math
import random
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from pytest_duet.errors import DuetError

REMOTE_PORTS = range(20_000, 30_000)  # below those that Linux hands out by itself


@dataclass(frozen=True)
class Seat:
    """Where one rank runs.

    :param share: which of how many equal shares of the cores it has, from 0: ``(1, 2)`` is the second half.
    :param cores: their numbers, as Linux counts them; None for all that a process may use there.
    :param host: the machine, as ssh knows it; None for this one.
    """

    share: tuple[int, int]
    cores: tuple[int, ...] | None = None
    host: str | None = None

    @property
    def address(self):
        """The name that other machines find it by."""
        return self.host.rpartition("@")[2] if self.host else "127.0.0.1"


def seats_of(cores: Sequence[int], ranks: int, most: int, hosts: Sequence[str] = ()) -> list[Seat]:
    """Return the seat of each of some ranks, where the most there are to be have all cores of all machines.

    Ranks go round the machines, so that two have one each.

    :param cores: of this machine; not used where there are ``hosts``.
    :raises DuetError: where this machine has fewer cores than ranks.
    """
    if hosts:
        shares = math.ceil(most / len(hosts))
        return [Seat((rank // len(hosts), shares), None, hosts[rank % len(hosts)]) for rank in range(ranks)]
    if len(cores) < most:
        raise DuetError(f"--devices={most}: there are {len(cores)} cores here, and each rank needs one.")
    return [Seat((rank, most), tuple(cores)) for rank in range(ranks)]


def addresses_of(seats: Sequence[Seat]) -> tuple[str, ...]:
    """Return an address for each seat, with a port that nobody listens at: of another machine, most probably so."""
    remote = iter(random.sample(REMOTE_PORTS, len(seats)))
    with ExitStack() as stack:
        held = [None if seat.host else stack.enter_context(socket.create_server(("127.0.0.1", 0))) for seat in seats]
        ports = [each.getsockname()[1] if each else next(remote) for each in held]
    return tuple(f"{seat.address}:{port}" for seat, port in zip(seats, ports))
