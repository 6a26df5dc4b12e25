"""Training against another environment, ``--against``: both sides alive at once, taking turns."""


def test_training_against(framework, rounds, options, measured_peak, duet, duet_other):
    """Run paired trials until it is clear whether the new side is slower, and each side proven to train alike."""
    training = rounds.of(framework)
    duet.rename(options.benchmark_id(framework), options.benchmark_id(framework, training.runner.workload))
    training.paired.check()
    row, found = training.paired.row, training.paired.training
    measured_peak.check(row.device, found)
    seconds = [epoch.seconds for trial in row.trials for epoch in trial.steady]
    group = f"training, taking turns with {duet_other.name}"
    duet.publish(group, row, seconds, **found.as_json(), against=training.paired.others.as_json())
