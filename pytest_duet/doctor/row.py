"""One finding of the doctor: what was looked at, what state it is in, and the one thing to do about it."""

from __future__ import annotations

from dataclasses import dataclass

OK, MISSING, WARNING, BROKEN = "ok", "missing", "warning", "broken"
WORST_LAST = (OK, MISSING, WARNING, BROKEN)


@dataclass(frozen=True)
class Row:
    """What the doctor says of one thing.

    :param subject: what was looked at, such as ``"memory"``.
    :param state: ``ok``; ``missing``, not installed and not asked for by name; ``warning``, results are at risk;
        ``broken``, it does not work.
    :param found: what there is, in one line.
    :param advice: the one thing to do; ``""`` where there is nothing to do.
    :param detail: what else there is to read, such as the end of a log, in lines.
    """

    subject: str
    state: str
    found: str
    advice: str = ""
    detail: str = ""

    @property
    def rank(self) -> int:
        """How bad it is, to sort by."""
        return WORST_LAST.index(self.state)
