"""What the shown run was: machine, command, versions, commit."""

from __future__ import annotations

from pytest_duet.report.lenient import Record
from pytest_duet.report.sections.comparison import benches, versions


def facts(run):
    """Return ``[(what, value), ...]``, all as text."""
    data = Record(run.data)
    dirty = " (with uncommitted changes)" if data.get("commit_info", "dirty") is True else ""
    found = [
        ("run", run.name),
        ("saved", run.when or "unknown"),
        ("commit", f"{run.commit}{dirty}" if run.commit else "unknown"),
        ("branch", run.branch or "unknown"),
        ("command", data.text("command") or "not recorded"),
        ("pytest-benchmark", data.text("version") or "unknown"),
    ]
    return found + [(f"machine: {name}", value) for name, value in _flat(run.fingerprint or {})]


def _flat(record, prefix=""):
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "none" if value is None else str(value)


def installed(run):
    """Return ``[(framework, versions), ...]``."""
    rows = [bench.record("extra_info") for bench in benches(run)]
    return sorted({(row.text("framework"), versions(row)) for row in rows})
