"""Training: one epoch, in the steady state."""

from dataclasses import replace

from benchmarks.proof import parity
from benchmarks.proof.contract import check_contract
from benchmarks.summary import describe


def test_training_epoch(
    framework, trainer, options, mnist, oracle, gpu_memory, machine_limit, publish, rename, clock, benchmark
):
    """Time an epoch of a trainer that is proven to train the same network as every other."""
    images = len(mnist.train_labels)
    built = trainer.take_steps(parity.parity_batches(options.workload, images), gpu_memory)
    parity.check_steps(framework, built, options.workload, mnist)
    limit = machine_limit(built["device"])

    trainer = trainer.within(options.epoch_budget, built["seconds_per_step"], images)
    rename(trainer.workload)
    right = oracle(trainer.workload)
    trials, errors = [], []
    for number in range(1, (1 if benchmark.disabled else options.trials) + 1):
        trial = trainer.run(number, gpu_memory)
        if parity.lags(trial):
            again = trainer.run(number, gpu_memory)
            trial = replace(again, attempt=trial.attempt + again.attempt)
        errors.append(parity.check_trial(framework, trial, right, trainer.workload))
        wrong_accuracy = parity.wrong_accuracy(framework, trial, right)
        assert not wrong_accuracy, wrong_accuracy
        trials.append(trial)
    check_contract(framework, built, options.workload, mnist)

    benchmark.group = "training epoch" if trainer.workload.steps is None else "training, part of an epoch"
    benchmark.extra_info.update(describe(trainer, mnist, built, trials, errors, limit))
    publish(benchmark.extra_info)
    clock.replay(benchmark, [epoch.seconds for trial in trials for epoch in trial.steady])
