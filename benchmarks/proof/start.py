"""Did a trainer start, and train what all others train? Its steps are the oracle's, and none was left for later."""

from __future__ import annotations

import numpy as np

from benchmarks.proof.parity import (
    LOSS_TOLERANCE,
    ParityError,
    check_data,
    check_update,
    loss_text,
    relative,
    rounding,
)
from benchmarks.proof.untimed import UntimedError
from benchmarks.workload import oracle
from benchmarks.workload.sketch import sketch_update

# Reading the parameters right after the start took the slowest of 28 entries 0.064 s here: JAX compiles a copy for it.
READ_SECONDS, READ_SHARE = 1.0, 0.1


def check_start(start):
    """Hold what a cold start trained against the oracle, and its parameters after the start and in the end.

    :param start: :class:`benchmarks.cold_start.ColdStart`, gone on with.
    :raises ParityError: naming the first step that differs, or the array whose update does.
    :raises UntimedError: where reading the parameters took so long that steps may have been taken in it.
    """
    name, initial = start.entry.name, start.workload.initial_parameters()
    check_data(name, start.dataset, start.checksums)
    training, steps = oracle.Training(start.workload, oracle.as_float64(initial)), 0
    for number, (found, batches) in enumerate(zip(start.losses, start.epochs, strict=True), start=1):
        losses = training.train(batches, start.dataset)
        right = float(np.average(losses, weights=[len(batch) for batch in batches]))
        steps += len(batches)
        if not relative(found, right) <= LOSS_TOLERANCE:
            raise ParityError(f"{name}: parity fails in part {number} of its start: {loss_text(found, right)}.")
        if number == start.started_after:
            _check(name, "after its start", start.started, training.parameters, initial, steps)
    _check(name, "in the end", start.ended, training.parameters, initial, steps)
    took, allowed = start.reading_seconds, READ_SECONDS + READ_SHARE * start.start_seconds
    if took > allowed:
        raise UntimedError(
            f"{name}: reading its parameters after the start took {took:.2f} s, where no clock runs (allowed: "
            f"{allowed:.2f} s). Train in train_epoch() alone."
        )


def _check(name, when, found, right, initial, steps):
    check_update(name, when, sketch_update(found, initial), sketch_update(right, initial), rounding(initial, steps))
