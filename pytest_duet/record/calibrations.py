"""Calibrations, kept below the runs in ``gate/calibration/``: a file for each fingerprint and way of judging."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_duet.atomic import atomic_write

SCHEMA = 2


def path(storage: Path, fingerprint: Mapping[str, Any], mode: str) -> Path:
    """Return where a machine's calibration is kept.

    :param mode: ``"history"`` or ``"against"``.
    """
    digest = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:16]
    return storage / "gate" / "calibration" / f"{digest}-{mode}.json"


def save(storage: Path, fingerprint: Mapping[str, Any], mode: str, found: list[dict[str, Any]], **about: Any) -> Path:
    """Keep a calibration and return its path; the one before it is replaced."""
    where = path(storage, fingerprint, mode)
    where.parent.mkdir(parents=True, exist_ok=True)
    kept = {"schema": SCHEMA, "mode": mode, "fingerprint": fingerprint, **about, "calibrated": found}
    atomic_write(where, json.dumps(kept, indent=2).encode() + b"\n")
    return where


def load(storage: Path, fingerprint: Mapping[str, Any], mode: str) -> list[dict[str, Any]]:
    """Return what was kept for this machine; empty if there is none, or it is damaged: the next one replaces it."""
    try:
        kept = json.loads(path(storage, fingerprint, mode).read_bytes())
        return list(kept.get("calibrated") or kept["cells"])  # schema 1 called them so
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return []
