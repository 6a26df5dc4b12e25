"""Trials in rounds: one of every subject, then the next of every subject, in changing order.

A machine has moods of tens of seconds. Where all trials of one subject run before those of the next, whoever runs in
the wrong minute loses, and no interval from its own trials knows. Trials of one round are neighbours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Generator, Hashable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import count, pairwise
from typing import Any, Generic, Protocol, TypeVar

from pytest_duet.trials.trial import Trial


class Entrant(Protocol):
    """A subject in the rounds."""

    def prepare(self) -> None:
        """Do what comes before the first trial; called anew where all of them are to be run once more."""

    def run(self, number: int) -> None:
        """Run trial ``number``, from 1 on."""

    def heat(self, number: int) -> Iterator[None]:
        """Run it step by step, as the iterator is asked for the next: the others have theirs in between."""

    def news(self) -> str:
        """Return what the last trial was like, in a few words."""


class Watcher(Protocol):
    """Who wants to know what is going on; trial 0 is what comes before the first."""

    def begin(self, name: Any, number: int) -> None: ...

    def end(self, name: Any, number: int, how: str) -> None: ...

    def close(self) -> None: ...


OVER = object()
Key = TypeVar("Key", bound=Hashable)
Its = TypeVar("Its", bound=Entrant)


class Rounds(Generic[Key, Its]):
    """Runs the trials of several subjects in rounds; what fails costs its own subject the rest of its trials.

    Whoever interrupts them (Ctrl-C) ends them all, and the trials that there are count.

    :param entrants: by what they are asked for with, in the order in which they will be asked for.
    :param trials: how many each has, at the most.
    :param worth_more: tells, of those that have had some, which are to have another now; it is asked before each round
        but the first. None where each has them all.
    :param race: whether all subjects are alive in a round and take their steps in turn, while the others stand still:
        then neighbours are seconds apart, not trials.
    :param together: whether all run once the first is asked for; else each alone, as where others run elsewhere.
    :param watcher: told what begins and ends.
    :param stop: called once they were interrupted, with the last one who has trials: nobody else is to be asked for.
    :param stop_at_failure: whether nobody will ask for those that stand behind one that failed, as with pytest's -x.
    """

    def __init__(
        self,
        entrants: dict[Key, Its],
        trials: int,
        worth_more: Callable[[list[Key]], Collection[Key]] | None = None,
        race: bool = False,
        together: bool = True,
        watcher: Watcher | None = None,
        stop: Callable[[], object] = lambda: None,
        stop_at_failure: bool = False,
    ) -> None:
        self._stop, self._worth_more = stop, worth_more
        self._watcher, self._race = watcher, race
        self._entrants, self._trials, self._stop_at_failure = entrants, trials, stop_at_failure
        self._failures: dict[Key, Exception] = {}
        self._due = list(entrants) if together else []  # for the first who asks
        self._done: list[Key] = []  # who has run, and was not asked for
        self._trials_of: Counter[Key] = Counter()
        self._interrupted = False

    def of(self, key: Key) -> Its:
        """Return an entrant once all its trials have run, those of all others among them.

        Who is asked for a second time runs again, alone.

        :raises Exception: what kept it from that, as it was raised.
        :raises KeyboardInterrupt: where they were interrupted before it had a trial.
        """
        if key not in self._done and not self._interrupted:
            due, self._due = self._due or [key], []
            self._failures.pop(key, None)
            try:
                self._run(due)
            except KeyboardInterrupt:
                self._interrupted = True
            finally:
                if self._watcher:
                    self._watcher.close()
            self._done += due
        if key in self._done:
            self._done.remove(key)
        if key in self._failures:
            raise self._failures[key]
        if self._interrupted:
            if not self._trials_of[key]:
                raise KeyboardInterrupt
            if not any(self._trials_of[other] for other in self._done):
                self._stop()
        return self._entrants[key]

    def _run(self, keys: Sequence[Key]) -> None:
        had: Counter[Key] = Counter()
        for number in count():
            # The first as they are asked for: who has no trial yet is asked for last.
            its = [key for key in in_order(keys, number) if had[key] < self._trials and not self._is_out(key)]
            if number and self._worth_more and its:
                chosen = self._worth_more(its)
                its = [key for key in its if key in chosen]
            if not its:
                return
            for beside in [its] if self._race else [[key] for key in its]:
                for key in beside if number == 0 else ():
                    self._run_beside([key], 0)  # as late as can be: it may fail, and what is interrupted has trials
                self._run_beside(beside, had[beside[0]] + 1)
                had.update(beside)

    def _run_beside(self, keys: Sequence[Key], number: int) -> None:
        """Run a trial of each of these, which take their steps in turn, each time another first."""
        its = [key for key in keys if not self._is_out(key)]
        heats = {key: self._entrants[key].heat(number) for key in its} if self._race and number else {}
        going = {key: self._steps(key, number, heats.get(key)) for key in its}
        with ExitStack() as stack:
            for steps in going.values():
                stack.enter_context(closing(steps))
            for turn in count():
                for key in in_order(list(going), turn):
                    if next(going[key], OVER) is OVER:
                        del going[key]
                if not going:
                    return

    def _steps(self, key: Key, number: int, heat: Iterator[None] | None) -> Generator[None]:
        """Run a trial, or what comes before the first, step by step; what fails ends it."""
        entrant, how = self._entrants[key], ""
        if self._watcher:
            self._watcher.begin(key, number)
        try:
            if not number:
                entrant.prepare()
            elif heat:
                yield from heat
            else:
                entrant.run(number)
            self._trials_of[key] = number
            how = entrant.news() if number else ""
        except Exception as error:
            self._failures[key], how = error, "failed"
        if self._watcher:
            self._watcher.end(key, number, how)

    def _is_out(self, key: Key) -> bool:
        """Tell whether nobody needs an entrant's further trials."""
        if key in self._failures:
            return True
        keys = list(self._entrants)
        return self._stop_at_failure and any(keys.index(failed) < keys.index(key) for failed in self._failures)


def in_order(keys: Sequence[Key], number: int) -> list[Key]:
    """Return who runs after whom in round ``number``: each time another begins; once all have, it goes backwards.

    So each has every place equally often, and not always the same one before it.
    """
    cycle, start = divmod(number, max(len(keys), 1))
    turned = [*keys[start:], *keys[:start]]
    return turned[::-1] if cycle % 2 else turned


def are_rounds(subjects: Sequence[Sequence[Trial]]) -> bool:
    """Tell whether the trials of these subjects ran in rounds: none of a later one before the last of an earlier one.

    :param subjects: the trials of each.
    """
    counts = {len(trials) for trials in subjects}
    times = [[trial.started_at for trial in trials] for trials in subjects]
    if len(counts) != 1 or any(time is None for its in times for time in its):
        return False
    by_round = list(zip(*times))
    return all(max(earlier) < min(later) for earlier, later in pairwise(by_round))
