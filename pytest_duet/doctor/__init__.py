"""Does this machine, with what is installed on it, measure what it should, and if not, what is to be done?

``python -m benchmarks doctor`` runs all of it; :func:`cheap`, which starts no process, runs before every session.
"""

from __future__ import annotations

from pytest_duet.doctor.row import BROKEN, MISSING, OK, WARNING, Row

__all__ = ["BROKEN", "MISSING", "OK", "WARNING", "Row", "cheap"]


def cheap(storage, device="auto"):
    """Return the :class:`Row` of everything that is amiss with the machine, as far as milliseconds can tell.

    :param storage: the folder where runs are saved; None where that is no folder.
    :param device: ``"auto"``, ``"cpu"`` or ``"gpu"``; with the first or the last, the GPU is looked at, too.
    """
    from pytest_duet.doctor import gpus, machine

    rows = [machine.cores(), machine.governor(), machine.memory()]
    rows += [machine.disk(storage), machine.storage(storage)] if storage else []
    rows += [] if device == "cpu" else gpus.rows(gpus.look(), device)
    return [row for row in rows if row.state != OK]
