"""From trials to one row: what ``extra_info`` holds and the tables show."""

from __future__ import annotations

from dataclasses import asdict
from statistics import mean, median, stdev

SCHEMA = 2


def describe(runner, dataset, built, trials, errors, limit):
    """Return one benchmark's ``extra_info``: everything that RESULTS.md documents.

    :param runner: :class:`benchmarks.trainer_runner.TrainerRunner`, that of the trials.
    :param dataset: :class:`benchmarks.workload.dataset.Dataset`.
    :param built: what the worker said of itself, :meth:`benchmarks.trainer_runner.TrainerRunner.take_steps`.
    :param trials: list of :class:`pytest_duet.trials.trial.Trial`.
    :param errors: list of :class:`benchmarks.proof.parity.Errors`, one for each trial.
    :param limit: the device's, :class:`benchmarks.peak.measured_peak.MeasuredPeaks`.
    """
    workload, train_images = runner.workload, len(dataset.train_labels)
    images = workload.images_per_epoch(train_images)
    whole = images == train_images
    steps = workload.steps_per_epoch(train_images)
    flops, moved = workload.flops_per_epoch(images), workload.bytes_per_epoch(images)
    return {
        "schema": SCHEMA,
        "framework": runner.entry.name,
        "contract": built["contract"],
        "device": built["device"],
        "versions": built["versions"],
        "python": built["python"],
        "scheduling": built["scheduling"],
        "environment": runner.environment,
        "threads": built["threads"],
        "cpu_only": built["cpu_only"],
        "calls_per_step": built["calls_per_step"],
        "isolation": runner.isolation,
        "workers": runner.slot.workers if runner.slot else 1,
        "workload": workload.as_dict(),
        "dataset": {"name": dataset.name, "digest": dataset.digest, "train_images": train_images},
        "steps_per_epoch": steps,
        "whole_epochs": whole,
        "flops_per_epoch": flops,
        "bytes_per_epoch": moved,
        "limit": limit,
        "preallocate": runner.preallocate,
        **summarize(trials, errors, steps, images, whole, flops, moved, limit, built["context_floor"]),
        **device_fields(built, epoch_seconds=median(trial.round_seconds for trial in trials), steps=steps),
        "trials": [trial.as_dict() for trial in trials],
    }


def summarize(trials, errors, steps, images, whole, flops, moved_bytes, limit, context_floor):
    """Return the figures of one framework's trials, each trial counting once; the CPU time is a median over rounds.

    :param steps: how many an epoch has.
    :param images: how many training images it has.
    :param whole: whether those are all; the time of a part is no epoch's, and only its rates are told.
    :param flops: of an epoch.
    :param moved_bytes: those that an epoch must move at the least.
    :param limit: the device's; its fields are None where it was not measured.
    :param context_floor: ``context_floor_bytes`` and ``context_floor_source``, found before the trials.
    """
    medians = [trial.round_seconds for trial in trials]
    epoch_seconds = median(medians)
    rate = flops / epoch_seconds
    return {
        "epoch_seconds": epoch_seconds if whole else None,
        "epoch_seconds_of_trials": medians if whole else None,
        "epoch_spread": (max(medians) - min(medians)) / epoch_seconds if len(medians) > 1 else None,
        "first_epoch_seconds": median(trial.first_round_seconds for trial in trials),
        "import_seconds": median(trial.import_seconds for trial in trials),
        "cpu_seconds": median(epoch.cpu_seconds for trial in trials for epoch in trial.steady),
        "steps_per_second": steps / epoch_seconds,
        "images_per_second": images / epoch_seconds,
        "flops_per_second": rate,
        "limit_share": _limit_share(rate, limit["flops_per_second"]),
        "copy_share": _limit_share(moved_bytes / epoch_seconds, limit["copy_bytes_per_second"]),
        "accuracy": median(trial.rounds[-1].metrics["accuracy"] for trial in trials),
        "memory": {**context_floor, **_worst(asdict(trial.memory) for trial in trials)},
        "gpu_energy_joules": _median_known(trial.gpu_energy_joules for trial in trials),
        "gpu_idle_watts": _median_known(trial.gpu_idle_watts for trial in trials),
        "nvml_process_hidden": next((trial.nvml_process_hidden for trial in trials if trial.nvml_process_hidden), None),
        "parity": _worst(asdict(error) for error in errors),
        "disturbed_trials": sum(trial.disturbed for trial in trials),
        "repeated_attempts": sum(trial.attempt - 1 for trial in trials),
    }


def device_fields(built, epoch_seconds, steps):
    """Return how long the GPU was busy in the profiled steps, and what share of a timed epoch as many take of it.

    :param built: what :meth:`benchmarks.trainer_runner.TrainerRunner.take_steps` gave.
    :param steps: of the timed epoch.
    """
    found = built["device_time"]
    return {
        "device_time": found,
        "device_time_missing": built["device_time_missing"],
        "device_busy_share": found
        and busy_seconds_of_an_epoch(found["busy_seconds"], found["steps"], steps) / epoch_seconds,
    }


def busy_seconds_of_an_epoch(busy_seconds, profiled_steps, steps):
    """Return for how long a GPU that was busy in the profiled steps is busy in an epoch of ``steps``, in seconds."""
    return busy_seconds / profiled_steps * steps


def _limit_share(rate, limit):
    if limit is None or rate > limit:  # nothing beats a limit: one that was beaten was measured while disturbed
        return None
    return rate / limit


def _median_known(values):
    known = [value for value in values if value is not None]
    return median(known) if known else None


def mean_and_deviation(values):
    """Return mean and sample standard deviation of the numbers that are known; None where there are too few."""
    known = [value for value in values if value is not None]
    return (mean(known) if known else None, stdev(known) if len(known) > 1 else None)


def _worst(records):
    """Return, field by field, the highest value of several dictionaries; None where none has one."""
    records = list(records)
    return {
        name: max((record[name] for record in records if record[name] is not None), default=None) for name in records[0]
    }
