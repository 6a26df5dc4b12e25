"""The check-up before every session: a line in pytest's header for whatever spoils results here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_duet.plugin import compat

if TYPE_CHECKING:
    import pluggy
    import pytest


class SessionCheckup:
    """The plugin of one session; pytest asks it for its lines unless it is to be quiet (``-q``).

    :param device: ``"auto"``, ``"cpu"`` or ``"gpu"``: where the benchmarks compute.
    """

    def __init__(self, device: str) -> None:
        self.device = device

    def pytest_report_header(self, config: pytest.Config) -> list[str]:
        """Return a line for each thing that is amiss; none where nothing is."""
        try:
            return self._lines(config.getoption("benchmark_storage"), config.hook)
        except Exception as error:  # a check-up is there to help: whatever it meets, the session goes on
            return [f"check-up failed: {type(error).__name__}: {' '.join(str(error).split())}"]

    def _lines(self, storage: str, hook: pluggy.HookRelay) -> list[str]:
        from pytest_duet.doctor import cheap

        folder = storage.removeprefix("file://")
        rows = cheap(None if "://" in folder else folder, self.device, hook)
        found = [f"check-up, {row.subject}: {row.found}. To do: {row.advice}" for row in rows]
        return found + [f"check-up, versions: {sentence}" for sentence in compat.untested()]
