"""``--lock-clocks``: the clock of every GPU that a session times on is held from its first benchmark to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_duet.errors import DuetError
from pytest_duet.plugin import compat
from pytest_duet.plugin.marker import is_benchmark

if TYPE_CHECKING:
    from pytest_duet.sensors.locked_clocks import LockedClocks


class HoldsClocks:
    """The plugin.

    :param mhz: of the GPUs' streaming multiprocessors.
    """

    def __init__(self, config: pytest.Config, mhz: int) -> None:
        self._config, self._mhz = config, mhz
        self._held: LockedClocks | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if self._held or not is_benchmark(item) or compat.is_disabled(self._config):
            return
        from pytest_duet.sensors.gpu import visible_gpus
        from pytest_duet.sensors.locked_clocks import LockedClocks

        uuids = {gpu.card_uuid() for gpu in visible_gpus()} - {None}
        try:
            if not uuids:
                raise DuetError(f"--lock-clocks={self._mhz}: NVML sees no GPU here.")
            self._held = LockedClocks(self._mhz, sorted(map(str, uuids)))
        except DuetError as error:
            pytest.exit(str(error), pytest.ExitCode.USAGE_ERROR)

    def pytest_unconfigure(self) -> None:
        if self._held:
            self._held.release()
