"""Time to accuracy: how long training takes until the network is good enough, over several seeds."""

from math import isfinite
from statistics import median

import pytest

from benchmarks.proof.convergence import check_convergence

pytestmark = pytest.mark.convergence


def test_time_to_accuracy(benchmark, convergence, oracle):
    """From nothing: what is imported, built and compiled counts, and so does every evaluation."""
    benchmark.pedantic(convergence)
    check_convergence(convergence, oracle)
    seconds = convergence.reached()
    if isfinite(median(seconds)):  # a seed that did not get there took longer than all that did
        benchmark.metric("to_accuracy_seconds", median(seconds), better="lower", unit="s")
    benchmark.extra_info.update(
        target_accuracy=convergence.target,
        recipe=convergence.workloads[0].as_dict(),
        seeds=[
            {"seed": workload.seed, "seconds": run.seconds, "losses": run.losses, "accuracies": run.accuracies}
            for workload, run in zip(convergence.workloads, convergence.runs)
        ],
        source=convergence.source(),
    )
