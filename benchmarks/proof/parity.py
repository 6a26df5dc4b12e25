"""No parity, no time: does a trainer train the network that all the others train?

The tolerances are those of float32 arithmetic: NumPy, JAX and PyTorch in float32 stay within 6e-7 of the float64
oracle in every step's loss and within 1e-4 in every weight matrix's update. TF32 or bfloat16 products, another
learning rate, start, order or batch are all far outside.

Who computes its products in another precision, and says so, is off by more, and by how much is known: the oracle takes
the same steps with its factors rounded alike (:mod:`benchmarks.proof.precision`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from benchmarks.proof.precision import ACCURACY_TOLERANCE, LOSS_TOLERANCE, TOLERANCES, UPDATE_TOLERANCE, wrong_rounding
from benchmarks.workload import oracle
from benchmarks.workload.sketch import norm, relative_error, sketch_update
from pytest_duet.errors import DuetError

STEPS = 8  # full batches of the parity check; the ragged last batch comes after them
# Of the parameters after an epoch, by the suite; of those after the last one, by the trainer itself.
ACCURACIES = {
    "accuracy": "The losses agreed with the oracle: look at the last updates.",
    "own_accuracy": "The training agreed with the oracle: look at evaluate().",
}
LAG_SHARE = 0.005  # of an epoch that the device may work on after the clock has stopped
LAG_SECONDS = 0.002  # below it, a lag is within the scatter of reading the parameters: up to 0.6 ms
DRIVER_LAG_SECONDS = 0.0002  # likewise, of asking CUDA's driver, which takes some microseconds where nothing is at work
RESIDENT_HINT = (
    " Or does it not keep its images on the device, as its contract says? The host's images were overwritten."
)


class ParityError(DuetError):
    """A trainer that trains something else, or says that it is done before it is."""


@dataclass(frozen=True)
class Errors:
    """How far a trainer is from the oracle: the largest relative error of a loss, of an update; of the accuracy."""

    loss: float
    update: float
    accuracy: float


def check_data(name, dataset, checksums):
    """Raise :class:`ParityError` where a trainer in this very process has changed the data that it was handed.

    :param checksums: the data set's, from before.
    """
    if dataset.checksums() != checksums:
        raise ParityError(f"{name}: it changed the images or labels that it was handed.")


def parity_batches(workload, images):
    """Return the index arrays of the parity check's steps: the first batches of epoch 1, then its ragged last one."""
    batches = workload.batches(workload.order(1, images))
    return batches[:STEPS] + (batches[-1:] if len(batches) > STEPS else [])


def check_steps(name, steps, workload, dataset):
    """Hold a trainer's first steps against the oracle's.

    :param steps: what :meth:`benchmarks.trainer_runner.TrainerRunner.take_steps` gave for :func:`parity_batches`.
    :raises ParityError: naming the first step that differs, else the array whose update does.
    """
    batches, allowed = parity_batches(workload, len(dataset.train_labels)), TOLERANCES[workload.precision]
    initial = workload.initial_parameters()
    training = oracle.Training(workload, oracle.as_float64(initial))
    expected = training.train(batches, dataset)
    if len(steps["losses"]) != len(expected):
        raise ParityError(f"{name}: took {len(steps['losses'])} steps where {len(expected)} were asked for.")
    for number, (found, right, batch) in enumerate(zip(steps["losses"], expected, batches), start=1):
        if relative(found, right) > allowed.loss:
            raise ParityError(
                f"{name}: parity fails at step {number} of {len(batches)} ({len(batch)} images): "
                f"{loss_text(found, right, allowed.loss)}. {_hint(number, len(batches))}"
                f"{RESIDENT_HINT if steps['contract']['data'] == 'device-resident' else ''}"
            )
    expected = sketch_update(training.parameters, initial)
    update = sketch_update(steps["parameters"], initial)
    rounded = rounding(initial, len(batches))
    check_update(name, f"after {len(batches)} steps", update, expected, rounded, allowed.update, allowed.bias)
    if workload.precision != "fp32":
        wrong = wrong_rounding(update, expected, workload, batches, dataset)
        if wrong:
            raise ParityError(f"{name}: {wrong}")


def check_trial(name, trial, trajectory, workload, dataset):
    """Hold a whole trial against the oracle, and return its :class:`Errors` and the trial with its accuracies.

    These are the suite's own, of the parameters after each epoch; what the trainer makes of the last ones is checked.

    :param trial: :class:`pytest_duet.trials.trial.Trial`.
    :param trajectory: :class:`benchmarks.workload.oracle.Trajectory`.
    :raises ParityError: naming the first epoch that differs, or the lag of a trainer that does not synchronise.
    """
    initial, allowed = workload.initial_parameters(), TOLERANCES[workload.precision]
    losses, updates, accuracies, rounds = [], [], [], []
    for epoch in trial.rounds:
        number, found, right = epoch.number, epoch.metrics["loss"], trajectory.epoch_losses[epoch.number - 1]
        losses.append(relative(found, right))
        if losses[-1] > allowed.loss:
            text = loss_text(found, right, allowed.loss)
            raise ParityError(f"{name}: parity fails in epoch {number}: {text}. {_epoch_hint(number)}")
        losses += _check_parts(name, epoch, trajectory.step_losses[number - 1], workload, dataset)
        if epoch.evidence is None:
            rounds.append(epoch)
            continue
        parameters = epoch.evidence["parameters"]
        expected = trajectory.updates[number - 1]
        rounded = rounding(initial, number * len(trajectory.step_losses[0]))
        update = sketch_update(parameters, initial)
        when = f"after epoch {number}"
        updates.append(check_update(name, when, update, expected, rounded, allowed.update, allowed.bias))
        metrics = {**epoch.metrics, "accuracy": oracle.accuracy(workload, parameters, dataset)}
        accuracies += [abs(metrics[each] - trajectory.accuracies[number - 1]) for each in ACCURACIES if each in metrics]
        rounds.append(replace(epoch, metrics=metrics, evidence=None))
    lag, allowed = _lag(trial)
    if lag > allowed:
        raise ParityError(
            f"{name}: train_epoch() returns before the device has finished: the device went on for {lag * 1e3:.1f} ms "
            f"after an epoch of {trial.seconds:.3f} s (allowed {allowed * 1e3:.1f} ms). Wait for the device, "
            "parameters included, before returning."
        )
    return Errors(max(losses), max(updates), max(accuracies)), replace(trial, rounds=tuple(rounds))


def _check_parts(name, epoch, step_losses, workload, dataset):
    """Hold an epoch that was trained in parts against the oracle's steps; return the relative errors of its losses."""
    allowed = TOLERANCES[workload.precision].loss
    sizes = [len(batch) for batch in workload.batches(workload.order(epoch.number, len(dataset.train_labels)))]
    errors = []
    for part in epoch.parts:
        steps = slice(part.first, part.stop)
        found, right = part.metrics["loss"], float(np.average(step_losses[steps], weights=sizes[steps]))
        errors.append(relative(found, right))
        if errors[-1] > allowed:
            raise ParityError(
                f"{name}: parity fails in epoch {epoch.number}, steps {part.first + 1} to {part.stop or len(sizes)}: "
                f"{loss_text(found, right, allowed)}. {_epoch_hint(epoch.number)}"
            )
    return errors


def wrong_accuracy(name, trial, trajectory, precision="fp32"):
    """Return what is wrong with the accuracies of a trial, the first of them; ``""`` if nothing is."""
    allowed = TOLERANCES[precision].accuracy
    for epoch in trial.rounds:
        right = trajectory.accuracies[epoch.number - 1]
        for metric, hint in ACCURACIES.items():
            found = epoch.metrics.get(metric)
            if found is not None and not accuracy_agrees(found, right, allowed):
                return (
                    f"{name}: test accuracy {found:.4f}, the oracle's is {right:.4f}; they may differ by "
                    f"{allowed:g}, up or down. {hint}"
                )
    return ""


def accuracy_agrees(found, right, allowed=ACCURACY_TOLERANCE):
    """Tell whether a test accuracy is the oracle's; being better than it is as wrong as being worse."""
    return round(abs(found - right), 9) <= allowed  # 0.7338 - 0.7333 is 0.0005 but for the last bit


def accuracies_agree(new, old):
    """Tell whether two test accuracies, each of which agreed with the oracle's, may be of the same training."""
    return round(abs(new - old), 9) <= 2 * ACCURACY_TOLERANCE


def rounding(initial, steps):
    """Return, array by array, the norm of what rounding alone may add to an update in float32.

    Each step rounds each parameter by up to 2^-24 of its size, up or down, so the roundings add up like a random
    walk. Where the update is a small part of the parameter, as after few steps or at a small rate, this is most of
    what an honest trainer is off by.
    """
    return [2 * 2**-24 * steps**0.5 * float(np.linalg.norm(array)) for layer in initial for array in layer]


def check_update(name, when, update, expected, rounded, tolerance=UPDATE_TOLERANCE, bias_tolerance=None):
    """Hold sketches of an update against those of the oracle's; return the largest relative error.

    :param rounded: what :func:`rounding` gave.
    :param bias_tolerance: that of a bias, where it is another.
    :raises ParityError: naming the array that is off, and ``when``.
    """
    errors = [relative_error(found, right) for found, right in zip(update, expected)]
    for number, (error, right, by_rounding) in enumerate(zip(errors, expected, rounded)):
        allowed = bias_tolerance if bias_tolerance and number % 2 else tolerance
        if not error * norm(right) <= allowed * norm(right) + by_rounding:
            array = f"layer {number // 2 + 1}'s {('weight', 'bias')[number % 2]}"
            raise ParityError(
                f"{name}: parity fails {when}: the update of {array} is off by {error:.2g} of its norm (tolerance "
                f"{allowed:g}), though the losses agree. Was every gradient applied, once, in the given order?"
            )
    return max(errors)


def lags(trial):
    """Tell whether a trial is to be repeated once before it is judged: its device seemed to work on after the clock.

    A trial of few rounds may seem so once, where the scheduler took the core in the wrong moment; a trainer that does
    not wait seems so again. Whatever trial counts has passed the same check.
    """
    lag, allowed = _lag(trial)
    return lag > allowed


def _lag(trial):
    """Return for how long the device worked on, and for how long it may; of two accounts of it, the worse one.

    The median is what counts: one round's lag may be a scheduler's whim, half of them are the trainer's doing.
    """
    found = [(median(epoch.lag_seconds for epoch in trial.steady), LAG_SECONDS)]
    by_driver = [epoch.driver_lag_seconds for epoch in trial.steady]
    if None not in by_driver:
        found.append((median(by_driver), DRIVER_LAG_SECONDS))
    return max(((lag, max(least, LAG_SHARE * trial.seconds)) for lag, least in found), key=lambda its: its[0] / its[1])


def relative(found, right):
    return abs(found - right) / abs(right)


def loss_text(found, right, tolerance=LOSS_TOLERANCE):
    error = f"off by {relative(found, right):.2g}, tolerance {tolerance:g}"
    return f"loss {found:.8g}, the oracle's is {right:.8g} ({error})"


def _hint(step, steps):
    if step == 1:
        return (
            "The first loss depends on the start, the network and its activation, the scaling of the images, the "
            "labels and the loss alone."
        )
    if step == steps:
        return "All but the last, smaller batch agreed: look at how its mean is taken, and whether all of it is used."
    return "The first loss agreed: look at the gradient, the learning rate and the precision of the products."


def _epoch_hint(epoch):
    if epoch == 1:
        return "The first steps agreed: look at the last batch, the order of the images, and how the mean is taken."
    return "The first epoch agreed, so a small error adds up: look at the rate, the gradient and the precision."
