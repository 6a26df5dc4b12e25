"""What a container, or whoever else made this process's control group, allows it: cores and memory (cgroups(7)).

Groups nest, and the tightest limit of a group and those around it holds. Both versions are read, since many machines
have the first one still. Every path is below ``root``, so that a test can make up a machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

UNLIMITED_BYTES = 2**62  # version 1 says "no limit" by a number near 2**63


def cpu_cores(root: str | Path = "/") -> float | None:
    """Return how many cores' time this process gets; None where nothing limits it."""
    found = []
    for group in _groups(root, "cpu"):
        quota, period = _numbers(group / "cpu.max", 2) or (None, None)
        if quota is None:
            (quota,) = _numbers(group / "cpu.cfs_quota_us", 1) or (None,)
            (period,) = _numbers(group / "cpu.cfs_period_us", 1) or (None,)
        if quota and period and quota > 0:
            found.append(quota / period)
    return min(found, default=None)


def free_bytes(root: str | Path = "/") -> int | None:
    """Return how much more memory this process may take; None where nothing limits it.

    Pages of files that nobody uses now are free: the kernel gives them back when it must.
    """
    found = []
    for group in _groups(root, "memory"):
        for limit, usage, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            (most,), (used,) = _numbers(group / limit, 1) or (None,), _numbers(group / usage, 1) or (None,)
            if most is not None and used is not None and most < UNLIMITED_BYTES:
                found.append(max(0, most - used + _stat(group / "memory.stat", cache)))
    return min(found, default=None)


def _groups(root: str | Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's groups, those around them included, in both versions."""
    mounted = Path(root, "sys/fs/cgroup")
    try:
        lines = Path(root, "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _number, controllers, path = line.split(":", 2)
        if not controllers:
            tops = [mounted, mounted / "unified"]
        elif controller in controllers.split(","):
            tops = [mounted / controllers, mounted / controller]
        else:
            continue
        own = Path(path.lstrip("/"))
        for top in tops:  # inside a container the path may be the host's, and only its top is there
            yield from (top / inner for inner in (own, *own.parents))


def _numbers(path: Path, count: int) -> list[int] | None:
    try:
        return [int(word) for word in path.read_text().split()[:count]]
    except (OSError, ValueError):  # "max" is no number and no limit
        return None


def _stat(path: Path, field: str) -> int:
    try:
        pairs = (line.split() for line in path.read_text().splitlines())
        return next((int(value) for name, value in pairs if name == field), 0)
    except (OSError, ValueError):
        return 0
