"""A line that tells what is going on, for somebody who watches a terminal."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest

from pytest_duet.plugin import compat

SAVE, RESTORE, CLEAR_TO_END = "\x1b7", "\x1b8", "\x1b[K"


class Progress:
    """Shows one line of text behind whatever pytest has written, and takes it back; silent without a terminal."""

    def __init__(self, config: pytest.Config) -> None:
        self._terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._capture: Any = config.pluginmanager.get_plugin("capturemanager")
        self.live = self._terminal is not None and self._terminal.isatty and not self._terminal.no_summary

    def __call__(self, text: str) -> None:
        """Replace the line."""
        if self.live:
            room = compat.room_behind_line(self._terminal) - 3
            self._write(f"{SAVE}  {text[: max(room, 0)]}{CLEAR_TO_END}{RESTORE}")

    def clear(self) -> None:
        """Take the line away."""
        self("")

    def say(self, text: str) -> None:
        """Say something that stays, on a line of its own, such as a download. Also without a terminal."""
        if self._terminal is None:
            return
        if self.live:
            self._write(CLEAR_TO_END)
        with self._uncaptured():
            self._terminal.ensure_newline()
            self._terminal.write_line(text)
            self._terminal.flush()  # into a file, too: somebody may wonder what it waits for

    def _write(self, text: str) -> None:
        with self._uncaptured():
            compat.write_unseen(self._terminal, text)

    def _uncaptured(self) -> AbstractContextManager[None]:
        context: AbstractContextManager[None] = self._capture.global_and_fixture_disabled()
        return context
