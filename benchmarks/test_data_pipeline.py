"""The input pipeline: how many images it brings in a second, and for how long a model waits for them."""

import pytest

pytestmark = pytest.mark.data_pipeline


def test_data_pipeline(benchmark, feeding):
    """An epoch's batches without a model; then with one, which waits for each of them."""
    feeding.check()
    benchmark(feeding.empty)
    rate = len(feeding.order) / benchmark.stats["mean"]
    benchmark.metric("images_per_second", rate, better="higher", unit="1/s", margin="5%")
    if not feeding.pipeline.computes:
        benchmark.metric("waiting_share", feeding.train(), better="lower", margin="10%,0.02")
    benchmark.extra_info["pipeline_feeds"] = feeding.pipeline.trainer
