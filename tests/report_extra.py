"""Imported for what it does: where the report's own packages are not installed, whoever imports this is skipped."""

import pytest

for name in ("altair", "jinja2", "ruptures", "vl_convert"):
    pytest.importorskip(name)
