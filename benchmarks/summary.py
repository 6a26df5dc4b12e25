"""From trials to one row: what is kept of a framework's training, and shown."""

from __future__ import annotations

from dataclasses import asdict, replace
from statistics import mean, median, stdev

from benchmarks.metrics import ACCURACY, EPOCH, FIRST_EPOCH, METRICS, PEAK_MEMORY
from benchmarks.training_row import DeviceTime, Parity, Peak, Threads, TrainedData, TrainingRow
from benchmarks.workload import networks
from pytest_duet.judge.leaks import leak_of
from pytest_duet.record.metrics import Measured
from pytest_duet.record.row import Row, memory_source, worst


def describe(runner, dataset, built, trials, errors, peak, right):
    """Return one benchmark's :class:`Row` and :class:`TrainingRow`, which RESULTS.md documents.

    :param runner: :class:`benchmarks.trainer_runner.TrainerRunner`, that of the trials.
    :param built: what the worker said of itself, :meth:`benchmarks.trainer_runner.TrainerRunner.take_steps`.
    :param errors: :class:`benchmarks.proof.parity.Errors` of each trial.
    :param peak: the device's, :class:`benchmarks.peak.measured_peak.MeasuredPeaks`.
    :param right: how the training had to go, :class:`benchmarks.workload.oracle.Trajectory`.
    """
    trials = [without_compiling(trial, built["live_peak_bytes"]) for trial in trials]
    workload, train_images = runner.workload, len(dataset.train_labels)
    steps = workload.steps_per_epoch(train_images)
    images = workload.images_per_epoch(train_images)
    training = TrainingRow(
        workload=workload.described(),
        draw=workload.draw,
        dataset=TrainedData(dataset.name, dataset.digest, train_images),
        environment=runner.environment,
        threads=Threads(**built["threads"]),
        cpu_only=built["cpu_only"],
        calls_per_step=built["calls_per_step"],
        isolation=runner.isolation,
        workers=runner.slot.workers if runner.slot else 1,
        scheduling=built["scheduling"],
        preallocate=runner.preallocate,
        steps_per_epoch=steps,
        whole_epochs=images == train_images,
        flops_per_epoch=workload.flops_per_epoch(images),
        bytes_per_epoch=workload.bytes_per_epoch(images),
        measured_peak=Peak(**peak),
        parity=Parity(*(max(getattr(each, name) for each in errors) for name in ("loss", "update", "accuracy"))),
        context_overhead_bytes=built["context_overhead_bytes"],
        context_overhead_source=built["context_overhead_source"],
        trace=built["trace"],
    )
    training = replace(with_figures(training, trials, images), **_device_fields(built, trials, steps))
    return _row(runner, dataset, built, trials, training, right.accuracies[workload.epochs - 1]), training


def without_compiling(trial, live_peak):
    """Return the trial with the peak of its live arrays, where its own includes what compiling took.

    :param live_peak: in bytes; None where its own does not.
    """
    own = trial.memory.allocator_peak_bytes
    if live_peak is None or own is None:
        return trial
    return replace(trial, memory=replace(trial.memory, allocator_peak_bytes=min(own, live_peak)))


def _row(runner, dataset, built, trials, training, right_accuracy):
    contract = built["contract"]
    row = Row(
        subject=runner.entry.name,
        device=built["device"],
        metrics={},
        trials=tuple(trials),
        labels=contract,
        work=in_words(training),
        conditions={
            "device": built["device"],
            "contract": contract,
            "threads": training.threads.asked,
            "scheduling": training.scheduling,
            "digest of the data": dataset.digest,
            "workload": training.workload,
        },
        workload=training.workload,
        versions=built["versions"],
        python=built["python"],
        disturbed_trials=sum(trial.disturbed for trial in trials),
        repeated_attempts=sum(trial.attempt - 1 for trial in trials),
        leak=leak_of(trials),
        counters=built["work_counters"],
    )
    source = memory_source(row)
    values = {
        ACCURACY.name: [trial.rounds[-1].metrics["accuracy"] for trial in trials],
        EPOCH.name: [trial.seconds for trial in trials],
        PEAK_MEMORY.name: [getattr(trial.memory, source) for trial in trials] if source else [],
        FIRST_EPOCH.name: [trial.first_seconds for trial in trials],
    }
    kept = {each.name: Measured.of(each, values[each.name], source if each is PEAK_MEMORY else "") for each in METRICS}
    kept[ACCURACY.name] = replace(kept[ACCURACY.name], expected=right_accuracy)
    return replace(row, metrics=kept)


def in_words(training: TrainingRow) -> str:
    """Return what was trained, in words; what is MNIST, and whole, goes without saying."""
    words = (
        networks.in_words(training.workload),
        f"batch {training.workload['batch_size']}",
        training.dataset.name if training.dataset.name != "mnist" else "",
        "" if training.whole_epochs else f"{training.steps_per_epoch} steps",
    )
    return "; ".join(filter(None, words))


def with_figures(training, trials, images):
    """Return the training with the figures of its trials, each counting once; the CPU time is a median over rounds.

    The time of a part of an epoch is no epoch's: only its rates are told.
    """
    medians = [trial.seconds for trial in trials]
    seconds, peak = median(medians), training.measured_peak
    rate = training.flops_per_epoch / seconds
    return replace(
        training,
        epoch_seconds=seconds if training.whole_epochs else None,
        epoch_seconds_of_trials=tuple(medians) if training.whole_epochs else None,
        epoch_spread=(max(medians) - min(medians)) / seconds if len(medians) > 1 else None,
        first_epoch_seconds=median(trial.first_seconds for trial in trials),
        import_seconds=median(trial.import_seconds for trial in trials),
        cpu_seconds=median(epoch.cpu_seconds for trial in trials for epoch in trial.steady),
        steps_per_second=training.steps_per_epoch / seconds,
        images_per_second=images / seconds,
        flops_per_second=rate,
        peak_share=_share(rate, peak.rate(training.workload)),
        copy_share=_share(training.bytes_per_epoch / seconds, peak.copy_bytes_per_second),
        accuracy=median(trial.rounds[-1].metrics["accuracy"] for trial in trials),
        gpu_energy_joules=_median_known(trial.gpu_energy_joules for trial in trials),
        gpu_energy_error_joules=_median_known(trial.gpu_energy_error_joules for trial in trials),
        gpu_idle_watts=_median_known(trial.gpu_idle_watts for trial in trials),
        nvml_process_hidden=next((trial.nvml_process_hidden for trial in trials if trial.nvml_process_hidden), None),
    )


def _device_fields(built, trials, steps):
    """Return how long the GPU was busy in the profiled steps, and what share of a timed epoch as many take of it."""
    found = built["device_time"] and DeviceTime(**built["device_time"])
    seconds = median(trial.seconds for trial in trials)
    return {
        "device_time": found,
        "device_time_missing": built["device_time_missing"],
        "device_busy_share": found and busy_seconds_of_an_epoch(found, steps) / seconds,
    }


def busy_seconds_of_an_epoch(found: DeviceTime, steps: int) -> float:
    """Return for how long a GPU that was busy in the profiled steps is busy in an epoch of ``steps``, in seconds."""
    return found.busy_seconds / found.steps * steps


def _share(rate, peak):
    # Nothing beats a peak: one that was beaten was measured while disturbed.
    return None if peak is None or rate > peak else rate / peak


def _median_known(values):
    known = [value for value in values if value is not None]
    return median(known) if known else None


def mean_and_deviation(values):
    """Return mean and sample standard deviation of the numbers that are known; None where there are too few."""
    known = [value for value in values if value is not None]
    return (mean(known) if known else None, stdev(known) if len(known) > 1 else None)


def ledger(row: Row) -> dict[str, float | None]:
    """Return the ledger of a row: the highest of each source over its trials."""
    return asdict(worst(trial.memory for trial in row.trials))
