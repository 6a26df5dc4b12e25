"""What Hypothesis brings for tests of properties; where it is not installed, whoever imports this is skipped."""

import pytest

hypothesis = pytest.importorskip("hypothesis")
assume, given, st = hypothesis.assume, hypothesis.given, hypothesis.strategies

EXAMPLES = hypothesis.settings(max_examples=100, derandomize=True, deadline=None)
