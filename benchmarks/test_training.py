"""Training: one epoch, in the steady state."""

from dataclasses import replace

from benchmarks.proof import parity
from benchmarks.proof.contract import check_contract
from benchmarks.summary import describe


def test_training_epoch(framework, runner, options, mnist, oracle, gpu_memory, measured_peak, duet):
    """Time an epoch of a trainer that is proven to train the same network as every other."""
    images = len(mnist.train_labels)
    built = runner.take_steps(parity.parity_batches(options.workload, images), gpu_memory)
    parity.check_steps(framework, built, options.workload, mnist)
    peak = measured_peak(built["device"])

    runner = runner.within(options.epoch_budget, built["seconds_per_step"], images)
    duet.rename(options.benchmark_id(framework), options.benchmark_id(framework, runner.workload))
    right = oracle(runner.workload)
    trials, errors = [], []
    for number in range(1, (1 if duet.disabled else options.trials) + 1):
        trial = runner.run(number, gpu_memory)
        if parity.lags(trial):
            again = runner.run(number, gpu_memory)
            trial = replace(again, attempt=trial.attempt + again.attempt)
        errors.append(parity.check_trial(framework, trial, right, runner.workload))
        wrong_accuracy = parity.wrong_accuracy(framework, trial, right)
        assert not wrong_accuracy, wrong_accuracy
        trials.append(trial)
    check_contract(framework, built, options.workload, mnist)

    row, training = describe(runner, mnist, built, trials, errors, peak)
    measured_peak.check(row.device, training)
    group = "training epoch" if runner.workload.steps is None else "training, part of an epoch"
    duet.publish(group, row, [epoch.seconds for trial in trials for epoch in trial.steady], **training.as_json())
