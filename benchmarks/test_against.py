"""Training against another environment, ``--against``: both sides alive at once, taking turns."""


def test_training_against(framework, runner, options, mnist, taking_turns, measured_peak, duet, duet_other):
    """Run paired trials until it is clear whether the new side is slower, and each side proven to train alike."""
    runners = (runner, duet_other.runner(runner))
    names = (framework, f"{duet_other.name}'s {framework}")
    built = [taking_turns.prove_steps(*side) for side in zip(names, runners)]
    peak, step_seconds = measured_peak(built[0]["device"]), built[0]["seconds_per_step"]

    runners = [side.within(options.epoch_budget, step_seconds, len(mnist.train_labels)) for side in runners]
    duet.rename(options.benchmark_id(framework), options.benchmark_id(framework, runners[0].workload))
    found = taking_turns.with_other(duet_other.name, *runners, built, peak, duet.wants_more)
    (row, training), (_, others) = found

    measured_peak.check(row.device, training)
    seconds = [epoch.seconds for trial in row.trials for epoch in trial.steady]
    group = f"training, taking turns with {duet_other.name}"
    duet.publish(group, row, seconds, **training.as_json(), against=others.as_json())
