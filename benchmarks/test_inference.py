"""Inference: how long a request waits for its answer, and how many images are answered in a second."""

import pytest

from benchmarks.inference import percentiles, rate_within

pytestmark = pytest.mark.inference

MARGINS = {"p50": "5%", "p90": "10%", "p99": "20%"}
BOUND_SECONDS = 0.005


def test_latency(benchmark, served):
    """One image a request, one request after the other."""
    served.check(1)
    benchmark(served.answering(1))
    took = served.requests()
    benchmark.extra_info.update(inference="latency", requests=len(took), max_seconds=float(took.max()))
    tell_percentiles(benchmark, took)


@pytest.mark.parametrize("batch", [1, 16, 256, 4096])
def test_throughput(benchmark, served, batch):
    """Many images a request."""
    served.check(batch)
    benchmark(served.answering(batch))
    benchmark.extra_info.update(inference="throughput", batch=batch)
    benchmark.metric("images_per_second", batch / benchmark.stats["mean"], better="higher", unit="1/s", margin="5%")


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_open_load(benchmark, served, load):
    """One image a request; requests arrive by themselves, so many that a share of its time is spent on them."""
    served.check(1)
    benchmark(served.answering(1))
    capacity = 1 / served.requests(1_000).mean()
    found = served.under_load(load * capacity)
    benchmark.extra_info.update(
        inference="open load", load=load, rate=load * capacity, lateness_seconds=percentiles(found.lateness)["p99"]
    )
    tell_percentiles(benchmark, found.latencies)


def test_rate_within_a_bound(benchmark, served):
    """The highest rate of arrivals at which 99 of 100 requests have their answer within 5 ms."""
    served.check(1)
    benchmark(served.answering(1))
    capacity = 1 / served.requests(1_000).mean()
    rate = rate_within(served, BOUND_SECONDS, capacity)
    benchmark.extra_info.update(inference="rate within a bound", bound_seconds=BOUND_SECONDS)
    benchmark.metric("requests_per_second", rate, better="higher", unit="1/s", margin="10%")


def tell_percentiles(benchmark, seconds):
    for name, value in percentiles(seconds).items():
        benchmark.metric(f"{name}_seconds", value, better="lower", unit="s", margin=MARGINS[name])
