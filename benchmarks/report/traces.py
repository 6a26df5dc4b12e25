"""Where the frameworks' own traces are, ``--profile``."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report.columns import trained
from pytest_duet.report.additions import Section


def section(material):
    """Return the section; it has nothing to show where nobody asked for traces."""
    found = {
        row.subject: training.trace for row, training in trained(material.gathered.rows.values()) if training.trace
    }
    template = Path(__file__).with_name("traces.html") if found else None
    return Section("traces", "Traces", "Traces", 160, template, {"traces": found})
