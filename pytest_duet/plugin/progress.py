"""A line that tells what is going on, for somebody who watches a terminal."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest

from pytest_duet.plugin import compat

SAVE, RESTORE, CLEAR_TO_END, UP = "\x1b7", "\x1b8", "\x1b[K", "\x1b[1A"


class Progress:
    """Shows one line of text behind whatever pytest has written, and takes it back; silent without a terminal."""

    def __init__(self, config: pytest.Config) -> None:
        self._terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._capture: Any = config.pluginmanager.get_plugin("capturemanager")
        terminal = self._terminal
        watched = terminal is not None and not terminal.no_summary and terminal.verbosity >= 0
        self.live = watched and terminal is not None and terminal.isatty
        self.logs = watched and not self.live
        self._block: Any = None
        self._column = 0  # where pytest had written to before the block

    def __call__(self, text: str) -> None:
        """Replace the line."""
        if self.live and not self._block:
            room = compat.room_behind_line(self._terminal) - 3
            self.write(f"{SAVE}  {text[: max(room, 0)]}{CLEAR_TO_END}{RESTORE}")

    def clear(self) -> None:
        """Take the line away."""
        self("")

    def show_block(self, table: Any) -> None:
        """Show something of rich's, on lines of its own below what pytest has written, in the place of the last one."""
        if self._block is None:
            from rich.console import Console
            from rich.live import Live

            self.clear()
            self._column = compat.width_of_line(self._terminal)
            self.write("\n")
            file: Any = Uncaptured(self)
            console = Console(file=file, force_terminal=True, highlight=False, width=compat.width(self._terminal))
            self._block = Live(
                console=console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            )
            self._block.start()
        self._block.update(table, refresh=True)

    def leave_block(self) -> None:
        """Take it away, and go back to where pytest has written to."""
        if self._block:
            self._block.stop()
            self._block = None
            self.write(f"{UP}\x1b[{self._column + 1}G")

    def say(self, text: str) -> None:
        """Say something that stays, on a line of its own, such as a download. Also without a terminal."""
        if self._terminal is None:
            return
        if self._block:
            self._block.console.print(text)  # above it
            return
        if self.live:
            self.write(CLEAR_TO_END)
        with self._uncaptured():
            self._terminal.ensure_newline()
            self._terminal.write_line(text)
            self._terminal.flush()  # into a file, too: somebody may wonder what it waits for

    def write(self, text: str) -> None:
        with self._uncaptured():
            compat.write_unseen(self._terminal, text)

    def _uncaptured(self) -> AbstractContextManager[None]:
        context: AbstractContextManager[None] = self._capture.global_and_fixture_disabled()
        return context


class Uncaptured:
    """A file for rich: the terminal, whatever pytest captures meanwhile."""

    encoding = "utf-8"

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def write(self, text: str) -> int:
        self._progress.write(text)
        return len(text)

    def flush(self) -> None:
        """Everything is written at once."""

    def isatty(self) -> bool:
        return True
