"""Training: one epoch, in the steady state."""


def test_training_epoch(framework, rounds, options, measured_peak, duet):
    """Time an epoch of a trainer that is proven to train the same network as every other."""
    training = rounds.of(framework)
    workload = training.runner.workload
    duet.rename(options.benchmark_id(framework), options.benchmark_id(framework, workload))
    row, found = training.described()

    def measure_again(other, wants_more):
        """Take turns with the code of an accepted run: what history leaves open, new trials settle."""
        options.check_turns()
        return training.beside(other, wants_more)

    row = duet.settled(row, measure_again)
    measured_peak.check(row.device, found)
    group = "training epoch" if workload.steps is None else "training, part of an epoch"
    seconds = [epoch.seconds for trial in training.trials for epoch in trial.steady]
    duet.publish(group, row, seconds, **found.as_json())
