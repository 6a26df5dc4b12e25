"""A worker that leaves nothing behind: whatever outlives it is read-only for it, and its home is a new, empty folder.

What a subject kept from one process to the next would be work that no later one has to do.
"""

from __future__ import annotations

import ctypes
import os
import site
from typing import Iterable

# Of Linux: sched.h, mount.h and fcntl.h; mount_setattr(2) has one number on all architectures.
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = -100, 0x8000, 1
MOUNT_SETATTR = 442
SHARED_MEMORY = "/dev/shm"


class _Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user_namespace")]


def own_places(folder: str) -> dict[str, str]:
    """Return environment variables that have programs keep what they keep in a folder: a home that starts out empty."""
    of_home = {"CONFIG": ".config", "CACHE": ".cache", "DATA": ".local/share", "STATE": ".local/state"}
    places = {f"XDG_{name}_HOME": os.path.join(folder, "home", place) for name, place in of_home.items()}
    user_base = os.environ.get("PYTHONUSERBASE") or site.getuserbase()  # what `pip install --user` installed is read
    return {"HOME": os.path.join(folder, "home"), "PYTHONUSERBASE": user_base, **places}


def seclude(writable: Iterable[str]) -> bool:
    """Let this process, and all that it starts, write to these folders alone; tell whether the kernel let it.

    By a mount namespace of its own (mount_namespaces(7)), and where it has not the right to that, in a user namespace
    (user_namespaces(7)), which containers often forbid and some distributions do. Devices and /proc stay as they are,
    and shared memory is the process's own. To be called before there is a second thread.
    """
    try:
        kernel = ctypes.CDLL(None, use_errno=True)
        if kernel.unshare(CLONE_NEWNS) != 0:
            _become_namespace_root(kernel)
        _try(kernel.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
        kept = [path for path in (*map(os.path.realpath, writable), "/proc") if os.path.isdir(path)]
        for path in kept[:-1]:
            _try(kernel.mount(path.encode(), path.encode(), None, MS_BIND | MS_REC, None))
        _set(kernel, "/", _Attributes(set=MOUNT_ATTR_RDONLY), AT_RECURSIVE)
        for path in kept:
            _set(kernel, path, _Attributes(clear=MOUNT_ATTR_RDONLY))
        if os.path.isdir(SHARED_MEMORY):
            _try(kernel.mount(b"tmpfs", SHARED_MEMORY.encode(), b"tmpfs", 0, b"mode=1777"))
        os.chdir(os.getcwd())  # into what is mounted there now
    except (OSError, AttributeError):  # forbidden, too old a kernel, or not Linux
        return False
    return True


def is_secluded(pid: int) -> bool | None:
    """Tell whether another process has mounts of its own, and a root that it cannot write to; None if nobody can tell.

    Its own word is not taken for it; and :func:`seclude` may have failed half-way, with mounts that are all writable.
    """
    try:
        own = os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
        with open(f"/proc/{pid}/mountinfo") as file:
            mounts = [line.split() for line in file]  # proc_pid_mountinfo(5): the fifth is where, the sixth how
    except OSError:
        return None
    return own and any(fields[4] == "/" and "ro" in fields[5].split(",") for fields in mounts)


def _become_namespace_root(kernel: ctypes.CDLL) -> None:
    user, group = os.getuid(), os.getgid()
    _try(kernel.unshare(CLONE_NEWUSER | CLONE_NEWNS))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _set(kernel: ctypes.CDLL, path: str, attributes: _Attributes, flags: int = 0) -> None:
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    _try(kernel.syscall(MOUNT_SETATTR, AT_FDCWD, path.encode(), flags, ctypes.byref(attributes), size))


def _try(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
