"""Which tests are benchmarks of this plugin: those that carry the marker ``duet``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def is_benchmark(item: pytest.Item) -> bool:
    """Tell whether a test is recorded and judged: one that keeps to the session's own process is not."""
    marker = item.get_closest_marker("duet")
    return marker is not None and marker.kwargs.get("isolation") != "none"


def is_plain_benchmark(item: pytest.Item) -> bool:
    """Tell whether a test hands its work to pytest-benchmark, as most do, and not to this plugin's own fixture."""
    names = getattr(item, "fixturenames", ())
    return "benchmark" in names and "duet" not in names


def subject_of(item: pytest.Item) -> str:
    """Return what a benchmark measures, as its marker says; its own name where that says nothing."""
    marker = item.get_closest_marker("duet")
    return str(marker.kwargs.get("subject", item.name)) if marker else item.name
