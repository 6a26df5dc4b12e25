"""What the tests of the gate's statistics share: rows as the gate reads them, and bounds of simulated rates."""

from pytest_duet.judge.verdict import Family
from pytest_duet.record.metrics import MEMORY, Measured
from pytest_duet.record.old_schemas import METRICS
from pytest_duet.record.row import Against, Row
from pytest_duet.trials.trial import Memory, Trial

SOURCE = "host_peak_rss_bytes"
JUDGED = [name for name, metric in METRICS.items() if not metric.exact]
HISTORY = {name: metric.history for name, metric in METRICS.items()}
AGAINST = {name: metric.against for name, metric in METRICS.items()}


def at_most(count, of, rate):
    """Tell whether a simulated count agrees with a rate of at most ``rate``: three standard errors are allowed."""
    return count / of <= rate + 3 * (rate * (1 - rate) / of) ** 0.5


def at_least(count, of, rate):
    """The same for a rate of at least ``rate``."""
    return at_most(of - count, of, 1 - rate)


def family(names, margins=HISTORY, metrics=METRICS, of=None):
    """Return the :class:`Family` of these benchmarks, which have the same margins.

    :param of: how many benchmarks the whole run has; these alone by default.
    """
    return Family(metrics, dict.fromkeys(names, margins), of or len(names))


def row(subject, values, old=None, accuracy=0.9, old_accuracy=None, device="cpu", metrics=METRICS, **fields):
    """Return a :class:`Row`.

    :param values: by metric, one for each trial.
    :param old: the same of the other side, with ``--against``.
    :param accuracy: in every trial, where it is among the metrics; ``old_accuracy`` likewise, by default the same.
    """
    known = {"accuracy": [accuracy] * len(next(iter(values.values()))), **values}
    found = {
        name: Measured.of(metrics[name], known[name], SOURCE if name == MEMORY else "")
        for name in metrics
        if name in known
    }
    if old is not None:
        turns = next((name for name, metric in metrics.items() if metric.turns), None)
        ratios = tuple(new / before for new, before in zip(values[turns], old[turns])) if turns else ()
        other = accuracy if old_accuracy is None else old_accuracy
        fields["against"] = Against("other", row(subject, old, None, other, device=device, metrics=metrics), ratios)
    return Row(subject, device, found, _trials(values), **fields)


def _trials(values):
    first = next(iter(values.values()))
    memory = values.get(MEMORY, [None] * len(first))
    return tuple(Trial(Memory(host_peak_rss_bytes=held)) for held in memory)
