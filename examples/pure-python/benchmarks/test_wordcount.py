"""Ordinary tests of pytest-benchmark: nothing here knows of pytest-duet."""

import pytest
from wordcount import count, longest

SENTENCE = "the quick brown fox jumps over the lazy dog "


@pytest.fixture(scope="session", params=[10, 1000], ids=["short", "long"])
def text(request):
    return SENTENCE * request.param


def test_count(benchmark, text):
    assert benchmark(count, text)["the"] == 2 * text.count("dog")


def test_longest(benchmark, text):
    assert benchmark(longest, text) == "brown"


def test_count_of_fresh_text(benchmark):
    """A new text for each call: making it is not timed."""
    made = []

    def setup():
        made.append(SENTENCE * (100 + len(made)))
        return (made[-1],), {}

    benchmark.pedantic(count, setup=setup, rounds=60)
    assert len(made) == 60
