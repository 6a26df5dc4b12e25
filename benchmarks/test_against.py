"""Training against another environment, ``--against``: both sides alive at once, taking turns."""

from dataclasses import replace

from benchmarks.proof import parity
from benchmarks.proof.contract import check_contract
from benchmarks.summary import describe
from pytest_duet.record.row import Against
from pytest_duet.trials.pairs import run_pair
from pytest_duet.trials.turns import cut_into_turns


def test_training_against(framework, runner, options, mnist, oracle, gpu_memory, measured_peak, duet, duet_other):
    """Run paired trials until it is clear whether the new side is slower, and each side proven to train alike."""
    images = len(mnist.train_labels)
    names, runners = (framework, f"{duet_other.name}'s {framework}"), (runner, duet_other.runner(runner))
    built = [prove_steps(*side, options.workload, mnist, gpu_memory) for side in zip(names, runners)]
    peak, step_seconds = measured_peak(built[0]["device"]), built[0]["seconds_per_step"]

    runners = [side.within(options.epoch_budget, step_seconds, images) for side in runners]
    workload = runners[0].workload
    duet.rename(options.benchmark_id(framework), options.benchmark_id(framework, workload))
    steps, full = workload.steps_per_epoch(images), workload.full_steps_per_epoch(images)
    cut, right = cut_into_turns(steps, full, duet.options.turn_seconds, step_seconds), oracle(workload)
    pairs, trials, errors, row = [], ([], []), ([], []), None
    while row is None or duet.wants_more(row):
        pairs.append(one_pair(*runners, len(pairs) + 1, gpu_memory, cut))
        for name, done, off, trial in zip(names, trials, errors, (pairs[-1].new, pairs[-1].old)):
            off.append(prove(name, trial, right, workload))
            done.append(trial)
        sides = [describe(*side, peak) for side in zip(runners, [mnist] * 2, built, trials, errors)]
        (row, training), (other, others) = sides
        row = replace(row, against=Against.of(duet_other.name, other, pairs))

    measured_peak.check(row.device, training)
    seconds = [epoch.seconds for trial in trials[0] for epoch in trial.steady]
    group = f"training, taking turns with {duet_other.name}"
    duet.publish(group, row, seconds, **training.as_json(), against=others.as_json())


def prove_steps(name, runner, workload, mnist, sampler):
    """Return what a side says of itself and of its first steps, which have to be the oracle's."""
    built = runner.take_steps(parity.parity_batches(workload, len(mnist.train_labels)), sampler)
    parity.check_steps(name, built, workload, mnist)
    check_contract(name, built, workload, mnist)
    return built


def one_pair(new, old, number, sampler, cut):
    """Return a paired trial, run again where a device seemed to work on after the clock: that may be chance once."""
    pair = run_pair(new, old, number, sampler, cut)
    if not (parity.lags(pair.new) or parity.lags(pair.old)):
        return pair
    again = run_pair(new, old, number, sampler, cut)
    return replace(again, new=replace(again.new, attempt=2), old=replace(again.old, attempt=2))


def prove(name, trial, right, workload):
    """Return how far a trial is from the oracle, which it has to agree with."""
    wrong_accuracy = parity.wrong_accuracy(name, trial, right)
    assert not wrong_accuracy, wrong_accuracy
    return parity.check_trial(name, trial, right, workload)
