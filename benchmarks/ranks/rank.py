"""One rank's process: ``python -m benchmarks.ranks.rank JSON``; told what to do by a :class:`Fleet`, line by line."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress


def main():
    asked = json.loads(sys.argv[1])
    with suppress(AttributeError, OSError):  # not Linux: the numbers of threads in the environment have to do
        os.sched_setaffinity(0, asked["cores"])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what frameworks print is no answer
    # Not above: what computes starts its threads when it is imported, and they stay on the cores of then.
    from benchmarks.frameworks.loading import load_trainer
    from benchmarks.ranks import Place
    from benchmarks.workload import data, handed_over
    from benchmarks.workload.spec import Workload

    workload = Workload(**asked["workload"])
    dataset = data.load(asked["data"], workload)
    images, labels = dataset.train_images, dataset.train_labels
    share = slice(asked["share"], None, asked["shares"])
    trainer = load_trainer(asked["engine"])(workload, workload.initial_parameters(), Place(**asked["place"]))
    print("{}", file=answers)
    for line in sys.stdin:
        epoch = json.loads(line)
        if epoch is None:
            handed_over.write(trainer.parameters(), asked["folder"])
            print("{}", file=answers)
            continue
        batches = [batch[share] for batch in workload.batches(workload.order(epoch, len(labels)))]
        loss = trainer.train((images[batch], labels[batch]) for batch in batches)
        print(json.dumps({"loss": loss, "images": sum(map(len, batches))}), file=answers)


if __name__ == "__main__":
    main()
