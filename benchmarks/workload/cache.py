"""Where the suite keeps what is slow to make again, and how it writes there."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from pathlib import Path

from benchmarks.errors import SuiteError


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
        raise SuiteError("This user has no home directory to keep a cache in; set FRAMEWORK_BENCHMARKS_CACHE.")
    return absolute(users) / "framework-benchmarks"


def atomic_write(path, data: bytes) -> None:
    """Write a file so that every reader, in any process, sees all of it or none of it.

    Writers may race: the last one to finish wins. One that is killed leaves a hidden ``.tmp`` file behind.
    """
    path = Path(path)
    # Not from tempfile, whose files only their owner may read: a cache can be shared between users.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else a power cut can keep the name and lose the bytes
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # never made, or beyond reach: the first error is the one to show
            temporary.unlink()
        raise


def absolute(path) -> Path:
    """Return ``path`` with ``~`` expanded and independent of the working directory, which workers do not share."""
    return Path(os.path.abspath(os.path.expanduser(path)))
