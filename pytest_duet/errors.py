"""The one exception that this suite raises on purpose."""


class DuetError(Exception):
    """Something went wrong that the person at the keyboard can act on.

    Its text is one paragraph: what was wrong, where, and what to do. pytest shows that paragraph alone,
    without a traceback (see ``conftest.py``); a traceback is kept for the suite's own mistakes.
    """
