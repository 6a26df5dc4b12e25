"""Data parallel training: how much sooner several devices train an epoch together than one does."""

from dataclasses import replace

import pytest

from benchmarks.proof.ranks import check_ranks

pytestmark = [pytest.mark.scaling, pytest.mark.duet(memory=False)]  # the ranks' is not seen here


def test_strong_scaling(benchmark, fleet, devices, options, oracle):
    """They share the batches of one device."""
    measure(benchmark, fleet, "strong scaling", devices, options.workload, oracle)


def test_weak_scaling(benchmark, fleet, devices, options, oracle):
    """Each has a batch as large as that of one device: fewer steps an epoch, and as many images."""
    workload = replace(options.workload, batch_size=devices * options.workload.batch_size)
    measure(benchmark, fleet, "weak scaling", devices, workload, oracle)


def measure(benchmark, fleet, kind, devices, workload, oracle):
    """One call trains all epochs but those in which what compiles is compiled: Keras does so in the second one, too."""
    warm = min(2, workload.epochs - 1)
    timed = workload.epochs - warm
    with fleet(workload) as together:
        together.train(warm)
        benchmark.pedantic(together.train, args=(timed,))
        check_ranks(together, oracle(workload))
    benchmark.extra_info.update(
        scaling=kind,
        devices=devices,
        batch_size=workload.batch_size,
        images=timed * workload.images_per_epoch(together.images),
    )
    if devices == 1:
        return
    with fleet(workload, together=False) as alone:  # the same work, with nobody to wait for
        alone.train(workload.epochs)
    share = 1 - sum(alone.seconds[warm:]) / sum(together.seconds[warm:])
    benchmark.metric("communication_share", max(0.0, share), better="lower", margin="10%,0.02")
