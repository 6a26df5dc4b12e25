"""What the shown run was: machine, command, versions, commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_duet.report.additions import Material, Section
from pytest_duet.report.reading import versions
from pytest_duet.report.saved_runs import ReportRun


def section(material: Material) -> Section:
    """Return the section."""
    run = material.gathered.shown
    shown = {"facts": facts(run), "installed": installed(material), "remarks": material.gathered.remarks}
    return Section("about", "The run", "The run", 900, Path(__file__).with_name("about.html"), shown)


def facts(run: ReportRun) -> list[tuple[str, str]]:
    """Return pairs of what and value."""
    commit = run.data.get("commit_info")
    dirty = " (with uncommitted changes)" if isinstance(commit, dict) and commit.get("dirty") is True else ""
    found = [
        ("run", run.name),
        ("saved", run.when or "unknown"),
        ("commit", f"{run.commit}{dirty}" if run.commit else "unknown"),
        ("branch", run.branch or "unknown"),
        ("command", str(run.data.get("command") or "not recorded")),
        ("pytest-benchmark", str(run.data.get("version") or "unknown")),
    ]
    return found + [(f"machine: {name}", value) for name, value in _flat(run.fingerprint or {})]


def _flat(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "none" if value is None else str(value)


def installed(material: Material) -> list[tuple[str, str]]:
    """Return pairs of a subject and its versions."""
    return sorted({(row.subject, versions(row)) for row, _ in material.gathered.rows.values()})
