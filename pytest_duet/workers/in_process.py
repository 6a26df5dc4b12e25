"""A subject without a worker, in this very process: for debuggers and profilers (``--isolation=none``)."""

from __future__ import annotations

import os
from typing import Any

from pytest_duet.workers.hosted import Hosted
from pytest_duet.workers.protocol import ON_PURPOSE, load_subject
from pytest_duet.workers.serve import as_plain


class InProcess(Hosted):
    """As :class:`pytest_duet.workers.process.Worker`; what the subject raises keeps its own traceback."""

    def __init__(self, name: str, subject: str) -> None:
        self.name = name
        self.pid = os.getpid()
        self._subject = load_subject(subject)

    def __exit__(self, *_: object) -> None:
        self._subject.close()

    def call(self, call: str, **arguments: Any) -> Any:
        try:
            return as_plain(getattr(self._subject, call)(**arguments))
        except tuple(ON_PURPOSE.values()) as error:
            self._on_purpose(type(error).__name__, str(error))
            raise
