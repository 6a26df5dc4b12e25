"""Where the suite keeps what is slow to make again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pytest_duet.errors import DuetError


def cache_directory() -> Path:
    """Return the suite's cache folder, which may not exist yet.

    It is ``$FRAMEWORK_BENCHMARKS_CACHE`` if that is set, else ``framework-benchmarks`` in the user's cache folder.
    """
    chosen = os.environ.get("FRAMEWORK_BENCHMARKS_CACHE")
    if chosen:
        return absolute(chosen)
    if sys.platform == "win32":
        users = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        users = "~/Library/Caches"
    else:
        users = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    if os.path.expanduser(users).startswith("~"):  # a container's nameless user; never make a folder called "~"
        raise DuetError("This user has no home directory to keep a cache in; set FRAMEWORK_BENCHMARKS_CACHE.")
    return absolute(users) / "framework-benchmarks"


def absolute(path) -> Path:
    """Return ``path`` with ``~`` expanded and independent of the working directory, which workers do not share."""
    return Path(os.path.abspath(os.path.expanduser(path)))
