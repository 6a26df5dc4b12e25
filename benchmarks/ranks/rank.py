"""One rank's process: ``python -m benchmarks.ranks.rank JSON``; told what to do by a :class:`Fleet`, line by line."""

from __future__ import annotations

import base64
import json
import os
import select
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """What a rank is told when it is started, as JSON.

    :param engine: where its class is found; ``workload`` is what :meth:`Workload.as_dict` gave.
    :param data: where the data are, as :func:`benchmarks.workload.data.load` knows them.
    :param cores: as :class:`benchmarks.ranks.seats.Seat` has them, as is ``core_share``; ``place`` has its devices.
    :param variables: environment variables; of ``thread_variables`` each is to be its number of cores.
    :param place: the fields of a :class:`benchmarks.ranks.Place`.
    :param share: which of how many equal shares of each batch it trains on, from 0.
    """

    engine: str
    workload: dict
    data: str | None
    cores: list[int] | None
    core_share: tuple[int, int]
    variables: dict[str, str]
    thread_variables: tuple[str, ...]
    place: dict
    share: tuple[int, int]


def main():
    asked = Asked(**json.loads(sys.argv[1]))
    threading.Thread(target=end_with_fleet, daemon=True).start()
    threads = take_cores(asked.cores, asked.core_share, asked.place["devices"])
    os.environ.update(asked.variables, **dict.fromkeys(asked.thread_variables, str(threads)))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what frameworks print is no answer
    # Not above: what computes starts its threads when it is imported, and they stay on the cores of then.
    from benchmarks.frameworks.loading import load_trainer
    from benchmarks.ranks import Place
    from benchmarks.workload import data, handed_over
    from benchmarks.workload.spec import Workload

    workload = Workload(**asked.workload)
    dataset = data.load(asked.data, workload)
    images, labels = dataset.train_images, dataset.train_labels
    number, shares = asked.share
    share = slice(number, None, shares)
    trainer = load_trainer(asked.engine)(workload, workload.initial_parameters(), Place(**asked.place))
    print("{}", file=answers)
    for line in sys.stdin:
        epoch = json.loads(line)
        if epoch is None:
            told = [handed_over.packed(trainer.parameters(device)) for device in range(asked.place["devices"])]
            print(json.dumps({"parameters": [base64.b64encode(each).decode() for each in told]}), file=answers)
            continue
        batches = [batch[share] for batch in workload.batches(workload.order(epoch, len(labels)))]
        loss = trainer.train((images[batch], labels[batch]) for batch in batches)
        print(json.dumps({"loss": loss, "images": sum(map(len, batches))}), file=answers)


def take_cores(cores, share, devices=1):
    """Stay on one of equal shares of these cores, of all that there are where they are None; return how many it has.

    :param share: which of how many, from 0; it has as many of them, from this one on, as it has ``devices``.
    """
    number, shares = share
    if cores is None:
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    each = len(cores) // shares
    if not each:
        sys.exit(f"there are {len(cores)} cores here for {shares} ranks, and each needs one (--devices)")
    with suppress(AttributeError, OSError):  # not Linux: the numbers of threads in the environment have to do
        os.sched_setaffinity(0, cores[number * each : (number + devices) * each])
    return devices * each


def end_with_fleet():
    """End once nobody can tell it anything any more, also where it waits for ranks that are gone."""
    watch = select.poll()
    watch.register(0, 0)  # that the other end hung up is told without being asked for
    watch.poll()
    os._exit(1)


if __name__ == "__main__":
    main()
