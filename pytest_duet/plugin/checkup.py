"""The check-up before every session: a line in pytest's header for whatever the machine has that spoils results."""

from __future__ import annotations


def register(config, device):
    """Register the plugin; on the workers of pytest-xdist it has nothing to write its lines to.

    :param device: ``"auto"``, ``"cpu"`` or ``"gpu"``, as in :class:`benchmarks.options.Options`.
    """
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(SessionCheckup(device), "session-checkup")


class SessionCheckup:
    """The plugin of one session; pytest asks it for its lines unless it is to be quiet (``-q``).

    :param device: as above.
    """

    def __init__(self, device):
        self.device = device

    def pytest_report_header(self, config):
        """Return a line for each thing that is amiss; none where nothing is."""
        try:
            return self._lines(config.getoption("benchmark_storage"), config.hook)
        except Exception as error:  # a check-up is there to help: whatever it meets, the session goes on
            return [f"check-up failed: {type(error).__name__}: {' '.join(str(error).split())}"]

    def _lines(self, storage, hook):
        from pytest_duet.doctor import cheap

        folder = storage.removeprefix("file://")
        return [
            f"check-up, {row.subject}: {row.found}. To do: {row.advice}"
            for row in cheap(None if "://" in folder else folder, self.device, hook)
        ]
