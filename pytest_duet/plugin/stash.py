"""What a session keeps, and where fixtures and hooks find it: keys of ``config.stash``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_duet.plugin.gate import Gate
    from pytest_duet.workers.slots import Slot

WORKER_INPUT = "duet"  # what a worker of ours is given, in xdist's ``workerinput``
GATE: pytest.StashKey[Gate] = pytest.StashKey()  # in every session that runs benchmarks, its workers included
SLOT: pytest.StashKey[Slot | None] = pytest.StashKey()  # this pytest's share of the machine, where others have the rest
