"""What the gate compares of a training: its accuracy, which has to stay, the epoch's time, memory, the first epoch."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.proof.parity import ACCURACY_TOLERANCE
from pytest_duet.record.margins import Margin
from pytest_duet.record.metrics import DEFAULT, Metric

# The instrument's own, of which a round is an epoch here. How old files were judged stands in record/old_schemas.py.
_TIME, PEAK_MEMORY, _FIRST = DEFAULT
# Each of two accuracies may be off by the tolerance from the oracle's.
ACCURACY = Metric("accuracy", "accuracy", "", "same", tolerance=2 * ACCURACY_TOLERANCE)
EPOCH = replace(_TIME, name="epoch_seconds", title="epoch time", history=Margin(0.05, 1e-3), against=Margin(0.02, 1e-3))
FIRST_EPOCH = replace(_FIRST, name="first_epoch_seconds", title="first epoch")
METRICS = (ACCURACY, EPOCH, PEAK_MEMORY, FIRST_EPOCH)
LOSS = Metric("loss", "loss", "", "same", every_round=True)  # of an epoch, or of each part of one
