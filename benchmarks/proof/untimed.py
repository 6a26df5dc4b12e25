"""Nowhere to hide work: what runs outside of the clock has a budget, which an honest trainer meets by far.

Between two epochs a trainer is asked for its parameters, four times. What that takes is a copy's; an epoch that is
trained there takes an epoch's time, or the time of as many cores.
"""

from __future__ import annotations

from pytest_duet.errors import DuetError
from pytest_duet.sensors.cpu import usable_cores
from pytest_duet.trials.runner import MAX_FOREIGN_CORES

# An honest trainer of the default network reads its parameters four times in 0.01 to 0.08 s here, and may take 0.2 s.
FIXED_SECONDS, COPIES_PER_SECOND = 0.05, 50e6  # bytes of parameters
# For which a thread of OpenBLAS's spins before it sleeps, each but one: more than a small network's copies may take.
SPIN_SECONDS = 0.1
# Once a trial: for Python's garbage collector to look through what a compiler has left (Inductor: 0.08 to 0.10 s here).
COLLECTED_SECONDS = 0.1
CORES = 2  # that those figures are of: with more, more threads of a pool spin for a while when they have nothing to do
BUSY_SECONDS = 0.5  # more, where other work of the machine takes its time
BUILD_SECONDS, BUILD_EPOCHS = 60.0, 2.0


class UntimedError(DuetError):
    """A trainer that works where no clock looks."""


def check_untimed(name, trial, parameter_bytes):
    """Hold what a trial used outside of the clock against what that is for.

    :param trial: :class:`pytest_duet.trials.trial.Trial`, whose last epoch is left out: after it, evaluate() is asked.
    :param parameter_bytes: what the parameters take.
    :raises UntimedError: saying how much it was, and what it may be.
    """
    if trial.clocks_replaced:
        raise UntimedError(f"{name}: it replaced {', '.join(trial.clocks_replaced)}. Leave Python's clocks alone.")
    for one in trial.rounds:
        if one.call_seconds is not None and one.seconds > one.call_seconds:
            raise UntimedError(
                f"{name}: epoch {one.number} took {one.seconds:.3f} s by its own account, and all of its call "
                f"{one.call_seconds:.3f} s by pytest's clock."
            )
    between = trial.rounds[:-1]
    budget = FIXED_SECONDS + parameter_bytes / COPIES_PER_SECOND
    quiet = trial.disturbance.foreign_cores is not None and trial.disturbance.foreign_cores <= MAX_FOREIGN_CORES
    cores = max(1.0, usable_cores() / CORES)
    spinning = SPIN_SECONDS * (usable_cores() - 1) + FIXED_SECONDS * len(between)
    cpu, wall = (
        max(budget * cores * len(between), spinning),
        (budget if quiet else budget + BUSY_SECONDS) * len(between) + COLLECTED_SECONDS,
    )
    for what, seconds, allowed in (
        ("of CPU time ", _sum(one.untimed_cpu_seconds for one in between), cpu),
        ("", _sum(one.untimed_seconds for one in between), wall),
    ):
        if seconds is not None and seconds > allowed:
            raise UntimedError(
                f"{name}: its epochs are not all that it does: {seconds:.2f} s {what}went between them, where no clock "
                f"runs and its parameters are read (allowed: {allowed:.2f} s). Train in train_epoch() alone."
            )
    allowed = max(BUILD_SECONDS, BUILD_EPOCHS * sum(one.seconds for one in trial.rounds) / len(trial.rounds))
    if trial.build_seconds is not None and trial.build_seconds > allowed:
        raise UntimedError(
            f"{name}: it took {trial.build_seconds:.1f} s to be built, while no clock ran (allowed: {allowed:.0f} s). "
            "What an epoch needs anew belongs into the epoch; what is compiled once, into the first."
        )


def _sum(values):
    values = list(values)
    return None if None in values else sum(values)
