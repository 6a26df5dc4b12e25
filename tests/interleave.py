"""Measures what the suite itself costs, on an idle machine: ``python -m tests.interleave [FRAMEWORK ...]``.

For each framework processes are started and warmed one after the other, then take turns epoch by epoch: the suite's
worker with its memory sampler ("suite") and without ("unsampled"); the same trainer in a bare script ("bare"), and in
that script's own process by the suite's code ("hosted"); the seed experiment's own loop ("seed"). Printed are medians,
and medians of the ratios of neighbours with their standard error; nothing is asserted, for CI never asserts a time.
``--short --epochs 200`` tells 1 % apart on a noisy machine.
"""

import argparse
import subprocess
import sys
import time
from functools import partial
from statistics import median

from benchmarks.frameworks import DEFAULT, REGISTRY
from benchmarks.trainer_runner import TrainerRunner
from benchmarks.workload import mnist
from benchmarks.workload.dataset import synthetic
from benchmarks.workload.spec import Workload
from pytest_duet.sensors.sampler import INTERVAL_SECONDS, MemorySampler
from pytest_duet.workers.process import ROOT
from pytest_duet.workers.server import run_as_batch_job
from tests.ratios import median_ratio

KINDS = ("suite", "unsampled", "hosted", "bare", "seed")


def bare(kind, framework, directory):
    """The other side: one epoch a line of input ("bare", "hosted" or "seed"), its seconds a line of output."""
    run_as_batch_job()  # chrt --batch 0 python ...
    workload = Workload()
    if kind == "seed":
        from tests.seed_loops import LOOPS

        epoch = LOOPS[framework](workload, mnist.load(directory) if directory else synthetic())
    else:
        from benchmarks.host import TrainerHost

        host = TrainerHost()
        host.open(**runner(framework, directory).open_arguments())
        order = workload.order(1, len(host.dataset.train_labels))

        def epoch():
            return host.trainer.train_epoch(order)

    for line in sys.stdin:
        if line.strip() == "hosted":
            seconds = host.round(1).seconds
        else:
            start = time.perf_counter()
            epoch()
            seconds = time.perf_counter() - start
        print(f"seconds {seconds}", flush=True)


def runner(framework, directory):
    return TrainerRunner(REGISTRY[framework], Workload(), directory or None)


class Script:
    """A bare script that trains an epoch when told to."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.interleave", "--bare", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def epoch(self, how=""):
        self.process.stdin.write(f"{how}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("seconds "):
                return float(line.split()[1])
        raise SystemExit("the bare script died")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Suite:
    """The suite's worker, with or without the sampler's thread beside it."""

    def __init__(self, framework, directory):
        self.worker = runner(framework, directory).worker()
        self.worker.open(**runner(framework, directory).open_arguments())
        self.number = 0

    def epoch(self, sampled):
        self.number += 1
        with MemorySampler(interval_seconds=INTERVAL_SECONDS if sampled else 0).watch(self.worker.pid):
            return self.worker.round(self.number).seconds


def compare(framework, directory, kinds, epochs):
    started, run = [], {}  # each is warmed before the next one starts, or the second one is slower every time
    if {"suite", "unsampled"} & set(kinds):
        suite = Suite(framework, directory)
        started.append(suite.worker)
        run["suite"], run["unsampled"] = partial(suite.epoch, sampled=True), partial(suite.epoch, sampled=False)
        suite.epoch(sampled=True)
    for kind in [kind for kind in ("bare", "seed") if kind in kinds]:
        script = Script(kind, framework, directory)
        started.append(script)
        run[kind] = script.epoch
        if kind == "bare":
            run["hosted"] = partial(script.epoch, "hosted")
        script.epoch()
    seconds = {kind: [] for kind in kinds}
    for turn in range(epochs):
        for kind in kinds if turn % 2 else reversed(kinds):
            seconds[kind].append(run[kind]())
    for process in started:
        process.close()
    print(f"{framework:6}", *(f"{kind} {median(values):.3f} s " for kind, values in seconds.items()), end=" ")
    for over, under in (("suite", "bare"), ("hosted", "bare"), ("suite", "unsampled"), ("bare", "seed")):
        if over in kinds and under in kinds:
            ratio, error = median_ratio(seconds[over], seconds[under])
            print(f" {over}/{under} {ratio:.4f} ± {error:.4f}", end=" ")
    print(flush=True)


def main():
    if sys.argv[1:2] == ["--bare"]:
        bare(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frameworks", nargs="*", default=DEFAULT, metavar="FRAMEWORK")
    parser.add_argument("--epochs", type=int, default=12, help="of each kind (default: 12)")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=KINDS, help=",".join(KINDS))
    parser.add_argument("--short", action="store_true", help="synthetic data: ten times more epochs a minute")
    arguments = parser.parse_args()
    directory = "" if arguments.short else str(mnist.find())
    for framework in arguments.frameworks:
        compare(framework, directory, arguments.kinds, arguments.epochs)


if __name__ == "__main__":
    main()
