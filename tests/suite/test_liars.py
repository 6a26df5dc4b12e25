"""Every way to lie or to break costs the trainer its own row, with the reason, and nobody else's."""

import re

import pytest
from support import left_behind

LIARS = {  # who, and what the suite must say of it
    "wrong-rate": r"parity fails .* step \d",
    "other-start": r"does not start from the parameters it was handed: layer 1's weight differs",
    "quietly-other-start": r"parity fails at step 1 of 9",
    "dropped-batch": r"parity fails in epoch 1: loss .* look at the last batch",
    "shuffled-labels": r"parity fails at step 1 of 9 .* the labels",
    "own-order": r"parity fails (in|after) epoch 1.* order",
    "half-precision": r"parity fails at step \d .* the precision of the products",
    "frozen-layer": r"parity fails after 9 steps: the update of layer 1's bias is off by 1 of its norm",
    "lazy": r"returns before the device has finished: the device went on for .* ms",
    "late": r"returns before the device has finished: the device went on for [1-9]\d\d\.\d ms",
    "lazy-parameters": r"returns before the device has finished",
    "bfloat": r"its contract says bf16, and it was asked to train in fp32",
    "flattered": r"test accuracy 0\.\d+, the oracle's is 0\.\d+; .* up or down",
    "not-fused": r"its contract says fused-epoch, host-fed, but Python executes \d+ lines for each further step",
    "not-resident": r"parity fails at step 1 of 9 .* host's images were overwritten",
    "other-threads": r"it computes with 99 threads where \d+ were asked for",
    "modest": r"test accuracy 0\.\d+, the oracle's is 0\.\d+; .* up or down",
}
BROKEN = {
    "crashes": r"died of SIGSEGV during round[\s\S]*about to touch address 0",
    "killed": r"died of SIGKILL during round",
    "hangs": r"did not answer round within 5 s and was killed \(--worker-timeout[\s\S]*going to sleep",
    "raises": r"raised RuntimeError in round: CUDA error: an illegal memory access",
    "exits": r"exited with code 3 during round",
    "not-a-number": r"train_epoch\(\) gave nan",
    "wordy": r"train_epoch\(\) gave a str, not a number",
    "unfinished": r"parameters\(\) gave a NoneType, not \[\(weight, bias\), \.\.\.\]",
    "misshapen": r"parameters\(\) gave arrays of the shapes .*32, 784",
    "talks-over": r"answered round with nonsense: b'I am a reply'",
    "contractless": r"Contractless sets no contract",
    "no-such-class": r"trainers\.py defines no NoSuchClass",
}
HONEST = ("honest", "chatty", "breeds", "resident", "wants-numpy")


@pytest.mark.parametrize(("offenders", "honest"), [(LIARS, HONEST), (BROKEN, ("honest",))], ids=["liars", "broken"])
def test_offenders_fail_alone_and_the_honest_pass(suite, offenders, honest):
    run = suite("--worker-timeout=5", frameworks=",".join([*offenders, *honest]))
    outcomes = run.outcomes

    assert run.exit_code == 1
    assert set(outcomes) == {*offenders, *honest}
    for name, reason in offenders.items():
        outcome, message = outcomes[name]
        assert outcome == "failure", (name, message)
        assert message.startswith(f"{name}: "), message
        assert re.search(reason, message), (name, message)
        assert "pytest_duet/trials/runner.py" not in message, "the suite's own traceback explains nothing to its user"
    for name in honest:
        assert outcomes[name] == ("passed", "")
    assert set(run.rows) == set(honest), "no time may be saved for a trainer that failed"
    assert not left_behind(run.directory)
