"""What a trainer says of itself is not taken on its word, where anybody else can tell."""

from importlib.metadata import version

from support import ROOT

FILE = f"--framework-path={ROOT}/tests/liars/identity.py"


def test_a_gpu_that_is_not_there_and_another_version_are_not_believed(suite):
    run = suite(FILE, "--epochs=2", frameworks="claims-a-gpu,claims-a-version,changes-its-answer")
    outcome, message = run.outcomes["claims-a-gpu"]
    assert outcome == "failure"
    assert "claims-a-gpu: it says that it trains on gpu:NVIDIA H200, and this machine has no GPU at all." in message
    outcome, message = run.outcomes["changes-its-answer"]
    assert outcome == "failure" and "changes-its-answer: parity fails after 9 steps: the update of layer 1" in message
    assert run.rows["claims-a-version"]["versions"] == {"numpy": version("numpy")}
    assert set(run.rows) == {"claims-a-version"}
