"""Training: one epoch, in the steady state."""

from benchmarks.judge import parity
from benchmarks.judge.summary import describe


def test_training_epoch(
    framework, trainer, options, mnist, oracle, gpu_memory, machine_limit, publish, clock, benchmark
):
    """Time an epoch of a trainer that is proven to train the same network as every other."""
    batches = parity.parity_batches(options.workload, len(mnist.train_labels))
    built = trainer.take_steps(batches)
    parity.check_steps(framework, built, options.workload, mnist)

    trials, errors = [], []
    for number in range(1, (1 if benchmark.disabled else options.trials) + 1):
        trial = trainer.run(number, gpu_memory)
        errors.append(parity.check_trial(framework, trial, oracle, options.workload))
        for epoch, right in zip(trial.epochs, oracle.accuracies):
            agrees = parity.accuracy_agrees(epoch.accuracy, right)
            assert agrees, parity.accuracy_text(framework, epoch.accuracy, right)
        trials.append(trial)

    benchmark.group = "training epoch"
    benchmark.extra_info.update(describe(framework, options, mnist, built, trials, errors, machine_limit))
    publish(benchmark.extra_info)
    clock.replay(benchmark, [epoch.seconds for trial in trials for epoch in trial.rounds])
