"""What the shown run was: machine, command, versions, commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_duet.report.additions import Material, Section
from pytest_duet.report.lenient import Record
from pytest_duet.report.reading import rows_of, versions
from pytest_duet.report.saved_runs import SavedRun


def section(material: Material) -> Section:
    """Return the section."""
    run = material.run
    shown = {"facts": facts(run), "installed": installed(run), "remarks": material.gathered.remarks}
    return Section("about", "The run", "The run", 900, Path(__file__).with_name("about.html"), shown)


def facts(run: SavedRun) -> list[tuple[str, str]]:
    """Return pairs of what and value."""
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


def _flat(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "none" if value is None else str(value)


def installed(run: SavedRun) -> list[tuple[str, str]]:
    """Return pairs of a subject and its versions."""
    return sorted({(row.text("framework"), versions(row)) for row in rows_of(run)})
