"""How far an honest trainer may be off, by the precision of its products, and whether it is off by that much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.workload import forward, oracle
from benchmarks.workload.sketch import relative_error, sketch_update

LOSS_TOLERANCE = 1e-5  # relative
UPDATE_TOLERANCE = 1e-3  # norm of the difference over norm of the update, each array, beside float32's rounding
ACCURACY_TOLERANCE = 0.0005  # absolute: 5 of 10,000 images
# Errors of updates go by the last bit that is kept. Two neighbours among the precisions are three bits apart, TF32 and
# bfloat16; half-way between them is a factor of the square root of 8.
ROUNDING_TIMES = 8**0.5


@dataclass(frozen=True)
class Tolerances:
    """How far an honest trainer may be off: in a loss and an update, relatively; in an accuracy, absolutely.

    :param bias: of a bias's update, whose gradient is a sum over the batch, and no product.
    """

    loss: float
    update: float
    bias: float
    accuracy: float


# Of rounded factors, of whole trainings; their first steps are held closer. With the default workload, factors rounded
# to bfloat16 are off by 6e-4 in a loss and 4e-3 in an update after nine steps, and by a tenth of that in TF32. JAX and
# Keras compute in bfloat16 between the products as well: over six epochs, the last bias was off by 0.06 and 0.15.
TOLERANCES = {
    "fp32": Tolerances(LOSS_TOLERANCE, UPDATE_TOLERANCE, UPDATE_TOLERANCE, ACCURACY_TOLERANCE),
    "tf32": Tolerances(2e-3, 1e-2, 1e-2, 0.002),
    "bf16": Tolerances(1e-2, 5e-2, 0.4, 0.005),
}


def wrong_rounding(update, expected, workload, batches, dataset):
    """Return what is wrong with how far a trainer's first updates are off; ``""`` where rounded factors explain it.

    The oracle takes the same steps in float32 with the factors of its products rounded, as the precision says; of all
    arrays' errors, the geometric means are compared.

    :param update: the sketches of the trainer's, ``expected`` those of the exact ones.
    :param batches: those of its steps.
    """
    initial = workload.initial_parameters()
    training = oracle.Training(workload, workload.initial_parameters())
    with forward.rounded_to(workload.precision):
        training.train(batches, dataset)
    found, right = (
        float(np.exp(np.mean(np.log([relative_error(*pair) for pair in zip(each, expected)]))))
        for each in (update, sketch_update(training.parameters, initial))
    )
    if right / ROUNDING_TIMES <= found <= right * ROUNDING_TIMES:
        return ""
    return (
        f"its updates are off by {found:.2g} of their norms after its first steps, and factors rounded to "
        f"{workload.precision}, as its contract says, would put them off by {right:.2g} (tolerance: a factor of "
        f"{ROUNDING_TIMES:.1f} either way). In which precision does it multiply?"
    )
