"""Which tests are benchmarks of this plugin: those that carry the marker ``duet``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

MARKERS = (
    "duet(subject=NAME): this test is a benchmark that is recorded and judged; NAME is what it measures",
    "gate(METRIC=MARGIN, ...): this benchmark's margins: gate(epoch_seconds='3%,1ms')",
)


def is_benchmark(item: pytest.Item) -> bool:
    """Tell whether an item is one of them."""
    return item.get_closest_marker("duet") is not None


def subject_of(item: pytest.Item) -> str:
    """Return what a benchmark measures, as its marker says; its own name where that says nothing."""
    marker = item.get_closest_marker("duet")
    return str(marker.kwargs.get("subject", item.name)) if marker else item.name
