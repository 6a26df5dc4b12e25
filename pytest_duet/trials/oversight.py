"""What a worker says of time, held against what this process's clock and the kernel say."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pytest_duet.workers.hosted import Span
from pytest_duet.workers.protocol import SubjectError

# Of all the calls for a trial's rounds, what may pass on the way to the worker and back: a share, and so much for each.
LATE_SHARE, LATE_SECONDS = 0.05, 0.03
CPU_SLACK_SECONDS = 0.01  # a core: getrusage's and the process's clock miss up to a tick of each running thread


def check_clock(name: str, spans: Sequence[Span], disturbed: bool) -> None:
    """Have the worker's clock explain what passed by this process's, but for what the way there and back takes.

    :param spans: of the calls for a trial's rounds.
    :param disturbed: then nothing is said: a busy machine lets a reply lie.
    :raises SubjectError: where it does not.
    """
    called = sum(span.seconds for span in spans)
    told = sum(span.worker_seconds for span in spans)
    if called - told > LATE_SHARE * called + LATE_SECONDS * len(spans) and not disturbed:
        raise SubjectError(f"{name}: its rounds took {called:.3f} s, and its worker's clock saw {told:.3f} s of them.")


def check_cpu_seconds(name: str, number: int, told: float, untimed: float | None, untimed_wall: float) -> None:
    """Have the CPU time that a worker tells of be within the kernel's count, and let the rest have had its time.

    :param number: of the round.
    :param untimed: the kernel's count beyond what was told, in seconds; None where it tells nobody.
    :param untimed_wall: the wall time that was not timed, in seconds.
    :raises SubjectError: where it is not.
    """
    cores = os.cpu_count() or 1
    fits = (untimed_wall + CPU_SLACK_SECONDS) * cores
    if untimed is not None and not -CPU_SLACK_SECONDS * cores <= untimed <= fits:
        raise SubjectError(
            f"{name}: it says that it used {told:.3f} s of CPU time in round {number}, and the kernel counts "
            f"{told + untimed:.3f} s, {fits:.3f} s of which can have passed outside of the clock."
        )
