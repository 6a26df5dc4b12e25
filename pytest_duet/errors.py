"""The one exception that is raised on purpose here."""

from __future__ import annotations


class DuetError(Exception):
    """Something went wrong that the person at the keyboard can act on.

    Its text is one paragraph: what was wrong, where, and what to do. pytest shows that paragraph alone, without a
    traceback; a traceback is kept for our own mistakes.
    """
