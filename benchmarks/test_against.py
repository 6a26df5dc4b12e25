"""Training against another environment, ``--against``: both sides alive at once, taking turns."""

from dataclasses import replace

from benchmarks.proof import parity
from benchmarks.proof.contract import check_contract
from benchmarks.summary import describe
from pytest_duet.trials.pairs import run_pair


def test_training_against(
    framework, trainer, other, turns, mnist, oracle, gpu_memory, machine_limit, publish, undecided, clock, benchmark
):
    """Run paired trials until it is clear whether the new side is slower, and each side proven to train alike."""
    new, old = trainer, other.runner(trainer)
    batches = parity.parity_batches(new.workload, len(mnist.train_labels))
    built = {}
    for side, runner in ((f"{other.name}'s {framework}", old), (framework, new)):
        built[runner] = runner.take_steps(batches, gpu_memory)
        parity.check_steps(side, built[runner], runner.workload, mnist)
        check_contract(side, built[runner], runner.workload, mnist)

    limit = machine_limit(built[new]["device"])
    right = oracle(new.workload)
    parts = turns(new.workload, built[new]["seconds_per_step"])
    pairs, errors, row = [], [], None
    while row is None or undecided(row):
        pair = run_pair(new, old, len(pairs) + 1, gpu_memory, parts)
        if parity.lags(pair.new) or parity.lags(pair.old):
            again = run_pair(new, old, len(pairs) + 1, gpu_memory, parts)
            pair = replace(again, new=replace(again.new, attempt=2), old=replace(again.old, attempt=2))
        pairs.append(pair)
        for side, trial in ((framework, pair.new), (f"{other.name}'s {framework}", pair.old)):
            wrong_accuracy = parity.wrong_accuracy(side, trial, right)
            assert not wrong_accuracy, wrong_accuracy
        errors.append([parity.check_trial(framework, trial, right, new.workload) for trial in (pair.new, pair.old)])
        row = describe(new, mnist, built[new], [pair.new for pair in pairs], [new for new, _ in errors], limit)
        olds = describe(old, mnist, built[old], [pair.old for pair in pairs], [old for _, old in errors], limit)
        row["against"] = dict(
            olds,
            name=other.name,
            epoch_ratios=[pair.ratio for pair in pairs],
            turns=[pair.turns for pair in pairs],
        )

    benchmark.group = f"training, taking turns with {other.name}"
    benchmark.extra_info.update(row)
    publish(benchmark.extra_info)
    clock.replay(benchmark, [epoch.seconds for pair in pairs for epoch in pair.new.steady])
