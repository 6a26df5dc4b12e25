"""An ordinary test of pytest-benchmark. It waits for the device: a step that has only been handed over is not done."""

import jax
import pytest
from step import initial, step


@pytest.fixture
def batch():
    keys = jax.random.split(jax.random.key(1))
    return jax.random.normal(keys[0], (128, 784)), jax.random.randint(keys[1], (128,), 0, 10)


def test_step(benchmark, batch):
    parameters = initial()
    _, value = benchmark(lambda: jax.block_until_ready(step(parameters, *batch)))
    assert 2 < value < 4


def test_epoch_of_steps(benchmark, batch):
    start = initial()

    def epoch():
        parameters = start
        for _ in range(10):
            parameters, value = step(parameters, *batch)
        return jax.block_until_ready(value)

    assert benchmark(epoch) < 2.5
