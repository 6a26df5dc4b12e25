"""One host's part of a run: which benchmarks it is, where it is saved, and what it says of itself.

A shard is an ordinary pytest-benchmark file with a field more, ``shard``. It is no run: only ``history merge`` makes
one of a run's shards, so they stand where no history looks, in a folder of their run's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_duet.errors import DuetError

FOLDER = "shards"  # below the storage; pytest-benchmark and History look no deeper than one folder
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # it names a folder and files


@dataclass(frozen=True)
class Shard:
    """Which part of which run.

    :param run: the run's id, the same for all of its shards.
    :param number: from 1.
    :param of: how many there are.
    """

    run: str
    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def share(self, planned: list[str]) -> list[str]:
        """Return this shard's benchmarks of those of the whole run, a sorted list of names."""
        return planned[self.number - 1 :: self.of]


def read_shard(text: str | None, run: str | None) -> Shard | None:
    """Return the shard that ``--shard`` and ``--run-id`` mean; None where both are None.

    :raises DuetError: for what makes no sense, naming the option.
    """
    if text is None and run is None:
        return None
    if text is None or run is None:
        missing, given = ("--shard", "--run-id") if text is None else ("--run-id", "--shard")
        raise DuetError(f"{given}: give {missing}, too; `history merge` joins the shards that have the same run id.")
    check_run_id(run)
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise DuetError(f"--shard={text}: give K/N, such as 2/4, with K from 1 to N.")
    return Shard(run, int(found[1]), int(found[2]))


def check_run_id(run: str) -> None:
    """Raise :class:`DuetError` for a run id that cannot name a folder."""
    if not RUN_ID.fullmatch(run):
        raise DuetError(
            f"--run-id={run}: give a letter or a digit, then up to 99 letters, digits, dots, dashes and underscores."
        )
