"""What the suite adds to every check-up: its cache must have room, and MNIST must be there."""

from __future__ import annotations


def pytest_duet_doctor_folders():
    from benchmarks.workload.cache import cache_directory

    return {"the cache": cache_directory}


def pytest_duet_doctor_rows(chosen):
    from benchmarks.doctor.data_set import data_set

    return [data_set(chosen.mnist_dir)]
