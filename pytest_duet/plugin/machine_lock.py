"""Two sessions that time on the same cores, or on the same GPU, would measure each other: the second one waits.

There is a file for every core and every GPU, in the folder for temporary files that all users share. Whoever times
there has it locked; the lock goes with the process, however that dies.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from pytest_duet.plugin import compat
from pytest_duet.plugin.marker import is_benchmark
from pytest_duet.plugin.progress import Progress

HELD = "DUET_HOLDS_THE_MACHINE"  # in the environment of whatever such a session starts: it is part of it


class MachineLock:
    """Held from :meth:`take` until :meth:`release`.

    :param names: of what is to be had alone, such as ``core-0``.
    :param folder: of the files.
    """

    def __init__(self, names: Iterable[str], folder: Path | None = None) -> None:
        self._names = sorted(set(names))  # all sessions take them in one order, so that none waits for ever
        self._folder = folder or Path(tempfile.gettempdir())
        self._files: list[int] = []

    def take(self, say: Callable[[str], object]) -> None:
        """Wait until nobody else has any of it; where files cannot be locked, nobody waits.

        :param say: called with a line of text before there is a wait.
        """
        try:
            import fcntl
        except ImportError:  # Windows
            return
        for name in self._names:
            with contextlib.suppress(OSError):
                file = self._open(name)
                self._files.append(file)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    say(f"another session of pytest-duet is timing on {name.replace('-', ' ')}: waiting until it ends")
                    fcntl.flock(file, fcntl.LOCK_EX)

    def _open(self, name: str) -> int:
        path = self._folder / f"pytest-duet-{name}.lock"
        try:
            return os.open(path, os.O_RDONLY)  # it may be somebody else's, who has let us read it
        except FileNotFoundError:
            return os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)

    def release(self) -> None:
        for file in self._files:
            os.close(file)
        self._files = []


class WaitsForTheMachine:
    """The plugin: before its first benchmark a session waits until it has its cores, or its GPU, to itself."""

    def __init__(self, config: pytest.Config, device: str) -> None:
        self._config, self._device = config, device
        self._lock: MachineLock | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        untimed = compat.is_disabled(self._config)
        if self._lock is None and is_benchmark(item) and not untimed and HELD not in os.environ:
            self._lock = MachineLock(what_it_times_on(self._device))
            self._lock.take(Progress(self._config).say)
            os.environ[HELD] = str(os.getpid())

    def pytest_unconfigure(self) -> None:
        if self._lock:
            self._lock.release()
            os.environ.pop(HELD, None)


def what_it_times_on(device: str) -> list[str]:
    """Return the names of what nobody else is to time on: this process's cores, or the GPU that is watched.

    :param device: ``"auto"``, ``"cpu"`` or ``"gpu"``.
    """
    from pytest_duet.sensors.gpu import find_gpu

    gpu = None if device == "cpu" else find_gpu()
    if gpu is not None:
        return [f"gpu-{gpu.uuid() or 'unknown'}"]
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return [f"core-{core}" for core in cores]
