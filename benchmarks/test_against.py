"""Training against another environment, ``--against``: both sides alive at once, taking turns."""

from dataclasses import replace

from benchmarks.proof import parity
from benchmarks.proof.contract import check_contract
from benchmarks.summary import beside, describe
from pytest_duet.trials.pairs import cut_into_turns, run_pair


def test_training_against(framework, runner, mnist, oracle, gpu_memory, measured_peak, duet, duet_other):
    """Run paired trials until it is clear whether the new side is slower, and each side proven to train alike."""
    new, old, images = runner, duet_other.runner(runner), len(mnist.train_labels)
    batches = parity.parity_batches(new.workload, images)
    built = {}
    for name, side in ((f"{duet_other.name}'s {framework}", old), (framework, new)):
        built[side] = side.take_steps(batches, gpu_memory)
        parity.check_steps(name, built[side], side.workload, mnist)
        check_contract(name, built[side], side.workload, mnist)

    peak = measured_peak(built[new]["device"])
    right = oracle(new.workload)
    parts = cut_into_turns(
        new.workload.steps_per_epoch(images), duet.options.part_seconds, built[new]["seconds_per_step"]
    )
    pairs, errors, row = [], [], None
    while row is None or duet.wants_more(row):
        pair = run_pair(new, old, len(pairs) + 1, gpu_memory, parts)
        if parity.lags(pair.new) or parity.lags(pair.old):
            again = run_pair(new, old, len(pairs) + 1, gpu_memory, parts)
            pair = replace(again, new=replace(again.new, attempt=2), old=replace(again.old, attempt=2))
        pairs.append(pair)
        for side, trial in ((framework, pair.new), (f"{duet_other.name}'s {framework}", pair.old)):
            wrong_accuracy = parity.wrong_accuracy(side, trial, right)
            assert not wrong_accuracy, wrong_accuracy
        errors.append([parity.check_trial(framework, trial, right, new.workload) for trial in (pair.new, pair.old)])
        row, training = describe(new, mnist, built[new], [pair.new for pair in pairs], [e for e, _ in errors], peak)
        other, others = describe(old, mnist, built[old], [pair.old for pair in pairs], [e for _, e in errors], peak)
        row = beside(row, other, duet_other.name, pairs)

    measured_peak.check(row.device, training)
    seconds = [epoch.seconds for pair in pairs for epoch in pair.new.steady]
    group = f"training, taking turns with {duet_other.name}"
    duet.publish(group, row, seconds, **training.as_json(), against=others.as_json())
