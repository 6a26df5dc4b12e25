"""What the gate compares of a training: its accuracy, which has to stay, the epoch's time, memory, the first epoch."""

from __future__ import annotations

from benchmarks.proof.parity import ACCURACY_TOLERANCE
from pytest_duet.record.metrics import MEMORY, Margin, Metric

# Each of two accuracies may be off by the tolerance from the oracle's.
ACCURACY = Metric("accuracy", "accuracy", "", "same", tolerance=2 * ACCURACY_TOLERANCE)
EPOCH = Metric(
    "epoch_seconds", "epoch time", "s", weight=2, history=Margin(0.05, 1e-3), against=Margin(0.02, 1e-3), turns=True
)
PEAK_MEMORY = Metric(MEMORY, "peak memory", "B", history=Margin(0.02, 2**20), against=Margin(0.02, 2**20))
FIRST_EPOCH = Metric("first_epoch_seconds", "first epoch", "s", history=Margin(0.25, 0.5), against=Margin(0.25, 0.5))
METRICS = (ACCURACY, EPOCH, PEAK_MEMORY, FIRST_EPOCH)
