"""Do ranks train together what one trainer trains alone?"""

from __future__ import annotations

from benchmarks.proof.parity import LOSS_TOLERANCE, ParityError, check_update, loss_text, relative, rounding
from benchmarks.workload.sketch import sketch_update


def check_ranks(fleet, trajectory):
    """Hold what ranks trained against the oracle: each epoch's loss, and in the end every device's parameters.

    :param fleet: :class:`benchmarks.ranks.fleet.Fleet`, which is still alive.
    :param trajectory: :class:`benchmarks.workload.oracle.Trajectory`.
    :raises ParityError: naming the first epoch that differs, or the device.
    """
    for epoch, (found, right) in enumerate(zip(fleet.losses, trajectory.epoch_losses), start=1):
        if not relative(found, right) <= LOSS_TOLERANCE:
            raise ParityError(f"{fleet.name}: parity fails in epoch {epoch}: {loss_text(found, right)}.")
    epochs, initial = len(fleet.losses), fleet.workload.initial_parameters()
    rounded = rounding(initial, epochs * len(trajectory.step_losses[0]))
    for device, parameters in enumerate(fleet.parameters()):
        update = sketch_update(parameters, initial)
        where = f"on device {device}, after epoch {epochs}"
        check_update(fleet.name, where, update, trajectory.updates[epochs - 1], rounded)
