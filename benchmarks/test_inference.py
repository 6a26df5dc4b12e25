"""Inference: how long a request waits for its answer, and how many images are answered in a second."""

import pytest

from benchmarks.inference import BATCHES, BOUND_SECONDS, LOADS, percentiles, rate_within

pytestmark = pytest.mark.inference

MARGINS = {"p50": "5%", "p90": "10%", "p99": "20%"}


def test_latency(benchmark, served):
    """One image a request: one after the other, and as they arrive by themselves."""
    tell(benchmark, served, "latency")
    served.check(1)
    benchmark(served.answering(1))
    took = served.requests()
    alone = percentiles(took)
    for name, seconds in alone.items():
        benchmark.metric(f"{name}_seconds", seconds, better="lower", unit="s", margin=MARGINS[name])
    capacity, late = 1 / took.mean(), []
    for load in LOADS:
        found = served.under_load(load * capacity)
        late.append(percentiles(found.lateness)["p99"])
        p99 = percentiles(found.latencies)["p99"]
        benchmark.metric(f"p99_at_{100 * load:.0f}_seconds", p99, better="lower", unit="s", margin="20%")
    rate = rate_within(served, BOUND_SECONDS, capacity) if alone["p99"] <= BOUND_SECONDS else None
    if rate:
        benchmark.metric("requests_per_second", rate, better="higher", unit="1/s", margin="10%")
    benchmark.extra_info.update(requests=len(took), longest_seconds=float(took.max()), lateness_seconds=max(late))


def test_throughput(benchmark, served):
    """Many images a request; timed is the largest."""
    tell(benchmark, served, "throughput")
    for batch in BATCHES:
        served.check(batch)
    benchmark(served.answering(BATCHES[-1]))
    for batch in BATCHES:
        rate = batch / served.seconds_of(batch)
        benchmark.metric(f"images_per_second_by_{batch}", rate, better="higher", unit="1/s", margin="5%")


def tell(benchmark, served, kind):
    """Tell what is measured: how good the network is that answers, and how large its file."""
    benchmark.extra_info.update(
        inference=kind,
        precision=served.precision,
        zero_share=served.zero_share(),
        test_accuracy=served.check_accuracy(),
        file_bytes=served.bytes(),
    )
