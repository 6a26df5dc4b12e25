"""From trials to one row: what ``extra_info`` holds and the tables show."""

from __future__ import annotations

from dataclasses import asdict
from statistics import mean, median, stdev

SCHEMA = 2


def describe(runner, dataset, built, trials, errors, limit):
    """Return one benchmark's ``extra_info``: everything that RESULTS.md documents.

    :param runner: :class:`benchmarks.measure.trial.Runner`, that of the trials.
    :param dataset: :class:`benchmarks.workload.dataset.Dataset`.
    :param built: what the worker said of itself, :meth:`benchmarks.measure.host.Host.build`.
    :param trials: list of :class:`benchmarks.measure.record.Trial`.
    :param errors: list of :class:`benchmarks.judge.parity.Errors`, one for each trial.
    :param limit: the CPU's, :func:`benchmarks.measure.trial.measure_limit`.
    """
    workload, train_images = runner.workload, len(dataset.train_labels)
    images = workload.images_per_epoch(train_images)
    whole = images == train_images
    steps = workload.steps_per_epoch(train_images)
    flops = workload.flops_per_epoch(images)
    if built["device"] != "cpu":
        limit = {"flops_per_second": None, "engine": None}  # it is the CPU's
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
        "workload": workload.as_dict(),
        "dataset": {"name": dataset.name, "digest": dataset.digest, "train_images": train_images},
        "steps_per_epoch": steps,
        "whole_epochs": whole,
        "flops_per_epoch": flops,
        "bytes_per_epoch": workload.bytes_per_epoch(images),
        "limit": limit,
        **summarize(trials, errors, steps, images, whole, flops, limit["flops_per_second"]),
        "trials": [trial.as_dict() for trial in trials],
    }


def summarize(trials, errors, steps, images, whole, flops, limit_flops_per_second):
    """Return the figures of one framework's trials, each trial counting once; the CPU time is a median over rounds.

    :param steps: how many an epoch has.
    :param images: how many training images it has.
    :param whole: whether those are all; the time of a part is no epoch's, and only its rates are told.
    :param flops: of an epoch.
    :param limit_flops_per_second: the device's measured limit; None where it was not measured.
    """
    medians = [trial.epoch_seconds for trial in trials]
    epoch_seconds = median(medians)
    rate = flops / epoch_seconds
    return {
        "epoch_seconds": epoch_seconds if whole else None,
        "epoch_seconds_of_trials": medians if whole else None,
        "epoch_spread": (max(medians) - min(medians)) / epoch_seconds if len(medians) > 1 else None,
        "first_epoch_seconds": median(trial.first_epoch_seconds for trial in trials),
        "import_seconds": median(trial.import_seconds for trial in trials),
        "cpu_seconds": median(epoch.cpu_seconds for trial in trials for epoch in trial.rounds),
        "steps_per_second": steps / epoch_seconds,
        "images_per_second": images / epoch_seconds,
        "flops_per_second": rate,
        "limit_share": _limit_share(rate, limit_flops_per_second),
        "accuracy": median(trial.epochs[-1].accuracy for trial in trials),
        "memory": _worst(asdict(trial.memory) for trial in trials),
        "parity": _worst(asdict(error) for error in errors),
        "disturbed_trials": sum(trial.disturbed for trial in trials),
        "repeated_attempts": sum(trial.attempt - 1 for trial in trials),
    }


def _limit_share(rate, limit):
    if limit is None or rate > limit:  # nothing beats a limit: one that was beaten was measured while disturbed
        return None
    return rate / limit


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
