"""Tests that share a worker, with the fixtures of their module or session: ``@pytest.mark.duet(isolation="module")``.

Trial number N of each of them runs in one worker, one test after the other, each in as many of them as it has trials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pytest_duet.errors import DuetError
from pytest_duet.plugin.marker import marked

if TYPE_CHECKING:
    import pytest

    from pytest_duet.plugin.items.runner import ItemWorker

SCOPES = ("test", "module", "session")
LOOK = 0  # the number of the worker that tests are looked at in, before their trials


def scope_of(item: pytest.Item) -> str:
    """Return who shares a test's worker: ``"test"``, nobody; those of its ``"module"`` or of the ``"session"``.

    :raises DuetError: where its marker, or the setting ``duet_isolation``, says something else.
    """
    chosen = str(marked(item, "isolation") or item.config.getini("duet_isolation"))
    if chosen not in SCOPES:
        raise DuetError(f"{item.nodeid}: isolation={chosen!r} is none of {', '.join(SCOPES)}, or none as a marker.")
    return chosen


def groups(items: Iterable[pytest.Item]) -> list[list[pytest.Item]]:
    """Return these tests, those together that share their workers."""
    found: dict[str, list[pytest.Item]] = {}
    for item in items:
        scope = scope_of(item)
        key = {"test": item.nodeid, "module": str(item.path), "session": ""}[scope]
        found.setdefault(f"{scope} {key}", []).append(item)
    return list(found.values())


class Shared:
    """The workers of one side that a group of tests shares; who is not at work stands still.

    :param other: the same of the other side.
    """

    def __init__(self, other: Shared | None = None) -> None:
        self.other = other or Shared(self)
        self._workers: dict[int, ItemWorker] = {}
        self._ran: dict[int, set[str]] = {}

    def take(self, number: int, nodeid: str, start: Callable[[], ItemWorker]) -> ItemWorker:
        """Return the worker for a test's trial: that of the others' trial of this number, where the test is new to it.

        Those of earlier trials are ended: the group has gone on.
        """
        kept = {LOOK, 1} if number <= 1 else {number}  # a test is looked at right before its first trial
        for each in list(self._workers):
            if each not in kept or (each == number and (nodeid in self._ran[each] or not self._workers[each].is_open)):
                self._workers.pop(each).end()
        if number in self._workers:
            self._workers[number].go_on()
        else:
            self._workers[number], self._ran[number] = start(), set()
        self._ran[number].add(nodeid)
        return self._workers[number]

    def close(self) -> None:
        """End them all.

        :raises DuetError: where a fixture that the tests share fails at its end.
        """
        failed = None
        for side in (self, self.other):
            while side._workers:
                try:
                    side._workers.popitem()[1].end()
                except DuetError as error:
                    failed = error
        if failed:
            raise failed
