"""Did a network get as good as it says, and by the training that all others do?"""

from __future__ import annotations

from benchmarks.proof.parity import (
    ParityError,
    accuracies_agree,
    accuracy_agrees,
    check_data,
    check_update,
    loss_text,
    relative,
    rounding,
)
from benchmarks.workload import oracle
from benchmarks.workload.sketch import sketch_update

# A rate that learns soon lets roundings grow. Over six seeds and three epochs NumPy, JAX, PyTorch and Keras stay within
# 1.4e-5 of the oracle's losses, NumPy and JAX within 3e-4 in every update; a rate that is off by a thousandth is off by
# 3e-4 in a loss and 7e-3 in an update.
LOSS_TOLERANCE = 1e-4  # relative, of an epoch's loss
UPDATE_TOLERANCE = 2e-3  # norm of the difference over norm of the update, each array


def check_convergence(convergence, trajectory_of):
    """Hold what every seed trained against the oracle, and its accuracy against what its own parameters have.

    :param convergence: :class:`benchmarks.convergence.Convergence`, called.
    :param trajectory_of: gives, for a workload, its :class:`benchmarks.workload.oracle.Trajectory`.
    :raises ParityError: naming the seed, and the first epoch that differs.
    """
    name = convergence.entry.name
    check_data(name, convergence.dataset, convergence.checksums)
    for workload, run in zip(convergence.workloads, convergence.runs, strict=True):
        right = trajectory_of(workload)
        seed, epochs = f"from seed {workload.seed}", len(run.losses)
        for epoch, (found, expected) in enumerate(zip(run.losses, right.epoch_losses), start=1):
            if not relative(found, expected) <= LOSS_TOLERANCE:
                text = loss_text(found, expected, LOSS_TOLERANCE)
                raise ParityError(f"{name}: parity fails {seed}, in epoch {epoch}: {text}.")
        initial = workload.initial_parameters()
        check_update(
            name,
            f"{seed}, after epoch {epochs}",
            sketch_update(run.parameters, initial),
            right.updates[epochs - 1],
            rounding(initial, epochs * len(right.step_losses[0])),
            UPDATE_TOLERANCE,
        )
        for epoch, (found, expected) in enumerate(zip(run.accuracies[:-1], right.accuracies), start=1):
            if not accuracies_agree(found, expected):
                raise ParityError(
                    f"{name}: {seed}, it says that its test accuracy is {found:.4f} after epoch {epoch}; the oracle's "
                    f"is {expected:.4f}. Look at evaluate()."
                )
        accuracy = oracle.accuracy(workload, run.parameters, convergence.dataset)
        if not accuracy_agrees(run.accuracies[-1], accuracy):
            raise ParityError(
                f"{name}: {seed}, it says that its test accuracy is {run.accuracies[-1]:.4f}; with its parameters it "
                f"is {accuracy:.4f}. Look at evaluate()."
            )
