"""Training: one epoch, in the steady state."""

from dataclasses import replace

from benchmarks.options import AGAINST_EPOCH_SECONDS
from benchmarks.proof import parity
from benchmarks.summary import describe
from benchmarks.taking_turns import prove


def test_training_epoch(framework, runner, options, mnist, oracle, gpu_memory, taking_turns, measured_peak, duet):
    """Time an epoch of a trainer that is proven to train the same network as every other."""
    images = len(mnist.train_labels)
    built = taking_turns.prove_steps(framework, runner)
    peak, step_seconds = measured_peak(built["device"]), built["seconds_per_step"]

    runner = runner.within(options.epoch_budget, step_seconds, images)
    duet.rename(options.benchmark_id(framework), options.benchmark_id(framework, runner.workload))
    right = oracle(runner.workload)
    trials, errors = [], []
    for number in range(1, (1 if duet.disabled else options.trials) + 1):
        trial = runner.run(number, gpu_memory)
        if parity.lags(trial):
            again = runner.run(number, gpu_memory)
            trial = replace(again, attempt=trial.attempt + again.attempt)
        errors.append(prove(framework, trial, right, runner.workload))
        trials.append(trial)
    taking_turns.check_contract(framework, runner, built)
    row, training = describe(runner, mnist, built, trials, errors, peak)

    def measure_again(other, wants_more):
        """Take turns with the code of an accepted run: what history leaves open, new trials settle."""
        options.check_turns()
        sides = [side.within(AGAINST_EPOCH_SECONDS, step_seconds, images) for side in (runner, other.runner(runner))]
        both_built = [built, taking_turns.prove_steps(f"{other.name}'s {framework}", sides[1])]
        ((paired, _), _) = taking_turns.with_other(other.name, *sides, both_built, peak, wants_more)
        return paired

    row = duet.settled(row, measure_again)
    measured_peak.check(row.device, training)
    group = "training epoch" if runner.workload.steps is None else "training, part of an epoch"
    duet.publish(group, row, [epoch.seconds for trial in trials for epoch in trial.steady], **training.as_json())
