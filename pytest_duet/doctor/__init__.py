"""Is this machine fit to measure, and if not, what is to be done?

``python -m pytest_duet doctor`` looks at all of it; :func:`cheap`, which starts no process, runs before every session.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_duet.doctor.row import BROKEN, MISSING, OK, WARNING, Row

if TYPE_CHECKING:
    from pluggy import HookRelay

    from pytest_duet.doctor.machine import Folders

__all__ = ["BROKEN", "MISSING", "OK", "WARNING", "Row", "cheap", "folders"]


def cheap(storage: str | Path | None, device: str = "auto", hook: HookRelay | None = None) -> list[Row]:
    """Return what is wrong with the machine, as far as milliseconds can tell.

    :param storage: the folder where runs are saved; None where that is no folder.
    :param device: ``"auto"``, ``"cpu"`` or ``"gpu"``; with the first or the last, the GPU is looked at, too.
    :param hook: of the plugins that know of more folders to look at.
    """
    from pytest_duet.doctor import gpus, machine

    rows = machine.rows(storage, folders(hook))
    rows += [] if device == "cpu" else gpus.rows(gpus.look(), device)
    return [row for row in rows if row.state != OK]


def folders(hook: HookRelay | None) -> Folders:
    """Return the folders that plugins say are written to."""
    found = hook.pytest_duet_doctor_folders() if hook else ()
    return {purpose: find for folders in found for purpose, find in folders.items()}
