"""Compares entries of the registry with each other: ``python -m tests.interleave_entries torch-compile/torch ...``.

On an idle machine. The workers of a pair are started and warmed one after the other and take turns, epoch by epoch,
so that whatever slows the machine slows both. Printed are the medians, and the median of the ratios of neighbours with
its standard error.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.frameworks import REGISTRY
from benchmarks.frameworks.interpreters import find_interpreter
from benchmarks.trainer_runner import TrainerRunner
from benchmarks.workload import mnist
from benchmarks.workload.spec import Workload
from pytest_duet.workers.process import ROOT
from tests.ratios import median_ratio


def warm_worker(runner):
    """Return a worker that has trained an epoch."""
    worker = runner.worker()
    worker.open(**runner.open_arguments())
    worker.round(1)
    return worker


def find_runner(name, environments, workload):
    """Return the :class:`TrainerRunner` of an entry, under the interpreter that has its framework."""
    entry = REGISTRY[name]
    return TrainerRunner(entry, workload, str(mnist.find()), python=find_interpreter(entry, {}, environments)[0])


def compare(over, under, environments, workload, turns):
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(warm_worker(find_runner(name, environments, workload))) for name in (over, under)
        }
        seconds = {over: [], under: []}
        for turn in range(turns):
            for name in (over, under) if turn % 2 else (under, over):
                seconds[name].append(workers[name].round(turn + 2).seconds)
    ratio, error = median_ratio(seconds[over], seconds[under])
    print(
        f"{over}/{under} {ratio:.3f} ± {error:.3f} ({turns} turns; {over} {median(seconds[over]):.3f} s, "
        f"{under} {median(seconds[under]):.3f} s)",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", nargs="+", metavar="OVER/UNDER")
    parser.add_argument("--turns", type=int, default=8, help="epochs of each (default: 8)")
    parser.add_argument("--steps", type=int, help="of an epoch (default: all)")
    parser.add_argument("--envs", type=Path, default=ROOT / ".tox", help="as pytest's --envs")
    arguments = parser.parse_args()
    workload = Workload(steps=arguments.steps)
    for pair in arguments.pairs:
        compare(*pair.split("/"), arguments.envs, workload, arguments.turns)


if __name__ == "__main__":
    main()
