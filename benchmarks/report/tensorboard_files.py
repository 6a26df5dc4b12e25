"""``--tensorboard DIR``: losses, accuracies, times and memory, epoch by epoch, as TensorBoard reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

MIB = 2**20


def write(rows, directory):
    """Write a run of TensorBoard's for each trial, ``DIR/<now>/<framework>/trial-<n>``, and return the folder of now.

    Scalars by the number of the epoch, the first included: ``loss``, ``accuracy`` (where it is known), ``seconds``,
    ``peak_memory_mib``; by 0, the steps that an epoch has.

    :param rows: of each benchmark its :class:`Row` and its :class:`benchmarks.training_row.TrainingRow`.
    """
    from tensorboardX import SummaryWriter

    session = Path(directory) / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}"
    for row, training in rows:
        for number, trial in enumerate(row.trials, start=1):
            with SummaryWriter(str(session / row.subject / f"trial-{number}")) as writer:
                writer.add_scalar("steps", training.steps_per_epoch, 0)
                for epoch in trial.rounds:
                    for name, value in scalars_of(epoch).items():
                        if value is not None:
                            writer.add_scalar(name, value, epoch.number)
    return session


def scalars_of(epoch):
    """Return an epoch's figures by the name that TensorBoard shows; None for an unknown one."""
    peak = epoch.memory_peak_bytes
    return {
        "loss": epoch.metrics.get("loss"),
        "accuracy": epoch.metrics.get("accuracy"),
        "seconds": epoch.seconds,
        "peak_memory_mib": None if peak is None else peak / MIB,
    }
