"""What every run of a suite is saved with, and how: the machine's fingerprint, the command, a storage that is safe."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest

from pytest_duet.plugin import compat

if TYPE_CHECKING:
    from pytest_benchmark.storage.file import FileStorage


def use_safe_storage(config: pytest.Config, must_save: bool) -> None:
    """Have pytest-benchmark save through :class:`pytest_duet.plugin.storages.SafeStorage`.

    :param must_save: whether the run must be saved: history is judged by, so this run belongs into it.
    :raises pytest.UsageError: where it must, and runs are not kept in files.
    """
    if not compat.replace_storage(config, _safe) and must_save:
        raise pytest.UsageError("--gate: it needs runs in files, --benchmark-storage=file://DIR.")
    if must_save:
        compat.save_always(config)


def _safe(storage: FileStorage) -> FileStorage:
    from pytest_duet.plugin.storages import SafeStorage

    return SafeStorage(storage.path, storage.logger, storage.default_machine_id)  # type: ignore[no-untyped-call]


class Recording:
    """The plugin of one session."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_benchmark_compare_machine_info(self) -> None:
        use_safe_storage(self.config, must_save=False)  # a warning names it, which fails for pytest-benchmark's own

    def pytest_benchmark_update_machine_info(self, machine_info: dict[str, Any]) -> None:
        from pytest_duet.sensors.fingerprint import fingerprint

        machine_info["fingerprint"] = fingerprint()

    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        output_json["command"] = shlex.join(["pytest", *map(str, self.config.invocation_params.args)])
