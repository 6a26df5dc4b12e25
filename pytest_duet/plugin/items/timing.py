"""How a worker times what a test hands to ``benchmark``: the smallest unit that a clock stands around, and its size."""

from __future__ import annotations

import gc
from collections.abc import Callable
from itertools import repeat
from typing import Any

MIN_SECONDS = 0.002  # of a measurement that a call's length is judged by


class Call:
    """``benchmark(function, *args, **kwargs)``: as many calls as are asked for, with one clock around them.

    :param timer: gives seconds.
    :param disable_gc: whether Python's garbage collector is switched off meanwhile.
    :param wait: called with each result before the clock stops; None where the function waits for its device itself.
    """

    most_units: int | None = None  # how often the test allows it to be timed; None for any number
    fixed_calls: int = 1  # how many calls a unit has then

    def __init__(
        self,
        function: Callable[..., Any],
        args: Any,
        kwargs: Any,
        timer: Callable[[], float],
        disable_gc: bool,
        wait: Callable[[Any], None] | None = None,
    ) -> None:
        self._function, self._args, self._kwargs = function, args, kwargs
        self._timer, self._disable_gc, self._wait = timer, disable_gc, wait
        self.result: Any = None  # of the last unit, where it was one call

    def unit(self, calls: int) -> float:
        """Make so many calls, and return the seconds that they took altogether."""
        return self.timed(self._function, self._args, self._kwargs, calls)

    def timed(self, function: Callable[..., Any], args: Any, kwargs: Any, calls: int) -> float:
        """Time so many calls in a loop that does nothing else, as :mod:`timeit` has it: each form of call has its own.

        The result of a single one is kept, as it would be by whoever calls it, and freed after the clock has stopped.
        """
        timer, wait, times = self._timer, self._wait, repeat(None, calls)
        self.result = None
        enabled = gc.isenabled()
        if self._disable_gc:
            gc.disable()
        try:
            if calls == 1:
                began = timer()
                self.result = function(*args, **kwargs)
                if wait:
                    wait(self.result)
                return timer() - began
            if wait:
                began = timer()
                for _ in times:
                    wait(function(*args, **kwargs))
                return timer() - began
            if kwargs:
                began = timer()
                for _ in times:
                    function(*args, **kwargs)
                return timer() - began
            if args:
                began = timer()
                for _ in times:
                    function(*args)
                return timer() - began
            began = timer()
            for _ in times:
                function()
            return timer() - began
        finally:
            if enabled:
                gc.enable()

    def last(self) -> Any:
        """Return what the test gets back: the result of one more call, as pytest-benchmark has it."""
        return self._function(*self._args, **self._kwargs)


class PedanticCall(Call):
    """``benchmark.pedantic(...)``: rounds of as many calls as the test says, never more of them than it says.

    Before each round ``setup`` runs, after it ``teardown``, both outside of the clock. A unit is such a round.
    """

    def __init__(
        self,
        target: Callable[..., Any],
        args: Any = (),
        kwargs: Any = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[..., Any] | None = None,
        rounds: int = 1,
        iterations: int = 1,
        **how: Any,
    ) -> None:
        for name, value in (("iterations", iterations), ("rounds", rounds)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"Must have positive int for `{name}`.")
        if iterations > 1 and setup:
            raise ValueError("Can't use more than 1 `iterations` with a `setup` function.")
        super().__init__(target, args, kwargs or {}, **how)
        self._setup, self._teardown = setup, teardown
        self.most_units, self.fixed_calls = rounds, iterations

    def unit(self, calls: int) -> float:
        args, kwargs = self._arguments()
        seconds = self.timed(self._function, args, kwargs, calls)
        if self._teardown is not None:
            self._teardown(*args, **kwargs)
        return seconds

    def last(self) -> Any:
        if self.fixed_calls == 1:
            return self.result
        args, kwargs = self._arguments()  # looped results are not kept: one more call gives one
        result = self._function(*args, **kwargs)
        if self._teardown is not None:
            self._teardown(*args, **kwargs)
        return result

    def _arguments(self) -> tuple[Any, Any]:
        made = self._setup() if self._setup else None
        if not made:
            return self._args, self._kwargs
        if self._args or self._kwargs:
            raise TypeError("Can't use `args` or `kwargs` if `setup` returns the arguments.")
        args, kwargs = made
        return args, kwargs


def call_seconds(call: Call) -> float:
    """Return what one call takes, from as many as it needs to be seen, in seconds."""
    calls, seconds = 1, call.unit(1)
    while seconds < MIN_SECONDS:
        calls *= 2 if seconds <= 0 else max(2, min(10, int(MIN_SECONDS / seconds)))
        seconds = call.unit(calls)
    return seconds / calls
