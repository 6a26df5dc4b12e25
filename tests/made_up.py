"""What the tests of the gate's statistics share: rows as the gate reads them, and bounds of simulated rates."""

from hypothesis import settings

EXAMPLES = settings(max_examples=100, derandomize=True, deadline=None)


def at_most(count, of, rate):
    """Tell whether a simulated count agrees with a rate of at most ``rate``: three standard errors are allowed."""
    return count / of <= rate + 3 * (rate * (1 - rate) / of) ** 0.5


def at_least(count, of, rate):
    """The same for a rate of at least ``rate``."""
    return at_most(of - count, of, 1 - rate)


def row(framework, values, old=None, accuracy=0.9, device="cpu", **fields):
    """Return a row as the gate reads it.

    :param values: of the three metrics by name, trial by trial, as :func:`trials` takes them.
    :param old: the same of the other side, with ``--against``.
    """
    found = {"framework": framework, "device": device, "accuracy": accuracy, "trials": trials(values), **fields}
    if old is not None:
        ratios = [n / o for n, o in zip(values["epoch_seconds"], old["epoch_seconds"])]
        found["against"] = dict(row(framework, old, accuracy=accuracy, device=device), epoch_ratios=ratios)
    return found


def trials(values):
    """Return the trials that have these values."""
    return [
        {"epoch_seconds": epoch, "first_epoch_seconds": first, "memory": {"host_peak_rss_bytes": memory}}
        for epoch, memory, first in zip(
            values["epoch_seconds"], values["peak_memory_bytes"], values["first_epoch_seconds"]
        )
    ]
