"""Which tests are benchmarks of this plugin: those that carry the marker ``duet``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def marked(item: pytest.Item, name: str, default: Any = None) -> Any:
    """Return what a test's markers say of a name: its own, else its class's, else its module's."""
    found = (marker.kwargs[name] for marker in item.iter_markers("duet") if name in marker.kwargs)
    return next(found, default)


def is_benchmark(item: pytest.Item) -> bool:
    """Tell whether a test is recorded and judged: one that keeps to the session's own process is not."""
    return item.get_closest_marker("duet") is not None and marked(item, "isolation") != "none"


def is_plain_benchmark(item: pytest.Item) -> bool:
    """Tell whether a test hands its work to pytest-benchmark, as most do, and not to this plugin's own fixture."""
    names = getattr(item, "fixturenames", ())
    return "benchmark" in names and "duet" not in names


def subject_of(item: pytest.Item) -> str:
    """Return what a benchmark measures, as its marker says; its own name where that says nothing."""
    return str(marked(item, "subject", item.name))
