"""Data parallel training: how much sooner several devices train an epoch together than one does."""

from dataclasses import replace
from statistics import median

import pytest

from benchmarks.proof.ranks import check_ranks

pytestmark = pytest.mark.scaling


def test_strong_scaling(benchmark, fleet, devices, options, oracle):
    """They share the batches of one device."""
    measure(benchmark, fleet, "strong scaling", devices, options.workload, oracle)


def test_weak_scaling(benchmark, fleet, devices, options, oracle):
    """Each has a batch as large as that of one device: fewer steps an epoch, and as many images."""
    workload = replace(options.workload, batch_size=devices * options.workload.batch_size)
    measure(benchmark, fleet, "weak scaling", devices, workload, oracle)


def measure(benchmark, fleet, kind, devices, workload, oracle):
    with fleet(workload) as together:
        benchmark.pedantic(together.train_epoch, rounds=workload.epochs - 1, warmup_rounds=1)
        check_ranks(together, oracle(workload))
    shown = {
        "devices": devices,
        "batch_size": workload.batch_size,
        "images": workload.images_per_epoch(together.images),
    }
    benchmark.extra_info.update(scaling=kind, **shown)
    if devices == 1:
        return
    with fleet(workload, together=False) as alone:  # the same work, with nobody to wait for
        for _ in range(workload.epochs):
            alone.train_epoch()
    share = 1 - median(alone.seconds[1:]) / median(together.seconds[1:])
    benchmark.metric("communication_share", max(0.0, share), better="lower", margin="10%,0.02")
