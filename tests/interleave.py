"""Measures what the suite itself costs, on an idle machine: ``python -m tests.interleave [FRAMEWORK ...]``.

For each framework three processes are started and warmed one after the other, then take turns epoch by epoch: the
suite's worker with its memory sampler ("suite"), the same trainer in a bare script ("bare"), and the seed experiment's
own loop ("seed"). Printed are medians and ratios; nothing is asserted, for CI never asserts a time.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.frameworks import DEFAULT, REGISTRY
from benchmarks.measure.client import Worker
from benchmarks.measure.sampler import MemorySampler
from benchmarks.measure.worker import run_as_batch_job
from benchmarks.workload import mnist
from benchmarks.workload.spec import Workload

ROOT = Path(__file__).parents[1]
EPOCHS = 12
KINDS = ("suite", "unsampled", "bare", "seed")


def bare(kind, framework, directory):
    """The other side: one epoch a line of input, its seconds a line of output."""
    run_as_batch_job()  # chrt --batch 0 python ...
    workload, dataset = Workload(), mnist.load(directory)
    if kind == "seed":
        from tests.seed_loops import LOOPS

        epoch = LOOPS[framework](workload, dataset)
    else:
        from benchmarks.measure.host import load_trainer

        trainer = load_trainer(REGISTRY[framework].location)(workload, dataset, workload.initial_parameters(), "auto")
        order = workload.order(1, len(dataset.train_labels))

        def epoch():
            return trainer.train_epoch(order)

    for _ in sys.stdin:
        start = time.perf_counter()
        epoch()
        print(f"seconds {time.perf_counter() - start}", flush=True)


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

    def epoch(self):
        self.process.stdin.write("\n")
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
        self.worker = Worker(framework)
        entry = REGISTRY[framework]
        self.worker.call(
            "build",
            location=entry.location,
            requires=list(entry.requires),
            workload=Workload().as_dict(),
            data_directory=directory,
            device="auto",
        )
        self.number = 0

    def epoch(self, sampled):
        self.number += 1
        with MemorySampler(interval_seconds=0.05 if sampled else 0).watch(self.worker.pid):
            return self.worker.call("train_epoch", epoch=self.number)["seconds"]


def compare(framework, directory):
    suite = Suite(framework, directory)
    suite.epoch(sampled=True)  # each is warmed before the next one starts: see "A/B" in the design
    scripts = {}
    for kind in ("bare", "seed"):
        scripts[kind] = Script(kind, framework, directory)
        scripts[kind].epoch()
    run = {
        "suite": lambda: suite.epoch(sampled=True),
        "unsampled": lambda: suite.epoch(sampled=False),
        "bare": scripts["bare"].epoch,
        "seed": scripts["seed"].epoch,
    }
    seconds = {kind: [] for kind in KINDS}
    for turn in range(EPOCHS):
        for kind in KINDS if turn % 2 else reversed(KINDS):
            seconds[kind].append(run[kind]())
    suite.worker.close()
    for script in scripts.values():
        script.close()
    middle = {kind: median(values) for kind, values in seconds.items()}
    shown = "  ".join(f"{kind} {middle[kind]:.3f} s" for kind in KINDS)
    ratios = "  ".join(
        f"{a}/{b} {median(x / y for x, y in zip(seconds[a], seconds[b])):.4f}"
        for a, b in (("suite", "bare"), ("suite", "unsampled"), ("bare", "seed"))
    )
    print(f"{framework:6} {shown}   {ratios}", flush=True)


def main(arguments):
    if arguments[:1] == ["--bare"]:
        bare(*arguments[1:])
        return
    directory = str(mnist.find())
    for framework in arguments or DEFAULT:
        compare(framework, directory)


if __name__ == "__main__":
    main(sys.argv[1:])
