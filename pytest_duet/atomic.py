"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def atomic_write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that every reader, in any process, sees all of it or none of it.

    Writers may race: the last one to finish wins. One that is killed leaves a hidden ``.tmp`` file behind. A link stays
    one, and the file that it leads to is written; to what is no file, as ``/dev/stdout`` is none, the data are added.
    """
    if _is_stream(Path(path)):
        with open(path, "ab") as stream:
            stream.write(data)
        return
    path = Path(os.path.realpath(path))
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


def _is_stream(path: Path) -> bool:
    """Tell so of devices, and of what Linux keeps below /proc for an open file, which must not become another one."""
    if path.is_symlink() and "/proc/" in (os.readlink(path)[:6], os.path.realpath(path.parent)[:6]):
        return True
    return path.exists() and not path.is_file()
