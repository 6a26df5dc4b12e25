"""A line that tells what is going on, for somebody who watches a terminal."""

from __future__ import annotations

SAVE, RESTORE, CLEAR_TO_END = "\x1b7", "\x1b8", "\x1b[K"


class Progress:
    """Shows one line of text behind whatever pytest has written, and takes it back; silent without a terminal."""

    def __init__(self, config):
        self._terminal = config.pluginmanager.get_plugin("terminalreporter")
        self._capture = config.pluginmanager.get_plugin("capturemanager")
        self.live = self._terminal is not None and self._terminal.isatty and not self._terminal.no_summary

    def __call__(self, text):
        """Replace the line."""
        if not self.live:
            return
        writer = self._terminal._tw  # pytest has no public way to write behind a test's name
        room = writer.fullwidth - writer.width_of_current_line - 3
        self._write(f"{SAVE}  {text[: max(room, 0)]}{CLEAR_TO_END}{RESTORE}")

    def clear(self):
        """Take the line away."""
        self("")

    def say(self, text):
        """Say something that stays, on a line of its own: a download, the oracle at work. Also without a terminal."""
        if self._terminal is None:
            return
        if self.live:
            self._write(CLEAR_TO_END)
        with self._uncaptured():
            self._terminal.ensure_newline()
            self._terminal.write_line(text)

    def _write(self, text):
        with self._uncaptured():
            file = self._terminal._tw._file
            file.write(text)
            file.flush()

    def _uncaptured(self):
        return self._capture.global_and_fixture_disabled()
