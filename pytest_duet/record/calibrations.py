"""Calibrations, kept below the runs in ``gate/calibration/``: a file for each fingerprint and way of judging."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_duet.atomic import atomic_write
from pytest_duet.record.lookback import differences
from pytest_duet.record.row import Row

SCHEMA = 2


@dataclass(frozen=True)
class Calibrated:
    """What unchanged code did in one metric of one benchmark.

    The 95 % are as sure as the variation is, of which few sessions tell little. Simulated, what 60 sessions promise
    against history is caught in 94 % or 95 %; what 10 promise, in 95 % where runs are alike but for their trials, and
    in 88 % where they differ.

    :param variation: standard deviation from session to session (of new/old from trial to trial, with ``--against``),
        as a share.
    :param false_alarms: sessions in which the gate called it regressed.
    :param resolves: the smallest slowdown, as a share, that would be told from none in 95 % of sessions.
    :param smallest_slowdown: the smallest that would be caught beyond the margin in 95 % of sessions.
    :param between: with ``--against``, the part of the variation that the turns within trials do not explain.
    :param degrees: of freedom of the variation, with ``--against``; 0 where the gate is not to go by it.
    :param inflation: with ``--against``, by how much more the mean of trials scatters than that of independent ones, as
        neighbouring ones were alike.
    :param subject: of the benchmark: what its trials are known by where another test runs them.
    :param normal: with ``--against``, whether trials scattered nearly normally; the gate assumes nothing of their noise
        where they did not.
    """

    benchmark: str
    metric: str
    variation: float
    false_alarms: int
    resolves: float
    smallest_slowdown: float
    between: float = 0.0
    degrees: int = 0
    inflation: float = 1.0
    normal: bool = True
    subject: str = ""


def of_rows(found: Iterable[Calibrated], rows: Mapping[str, Row]) -> dict[tuple[str, str], Calibrated]:
    """Return those of these benchmarks, by benchmark and metric.

    A benchmark that was cut to more or fewer steps, as the machine was faster that day, has another parameter: then it
    is that of the same test's and subject's, the one that scattered most.
    """
    its: dict[tuple[str, str], Calibrated] = {}
    for one in sorted(found, key=lambda one: one.variation):
        for name, row in rows.items():
            if one.subject and (one.subject, _test(one.benchmark)) == (row.subject, _test(name)):
                its[name, one.metric] = one
    return its | {(one.benchmark, one.metric): one for one in found if one.benchmark in rows}


def merged(sessions: Iterable[Mapping[str, Row]]) -> list[dict[str, Row]]:
    """Return the rows of sessions by names that they share, where they cut the same test's work to different steps."""
    names: dict[tuple[str, str], str] = {}
    found = []
    for rows in sessions:
        pairs = [((_test(name), row.subject), name, row) for name, row in rows.items()]
        found.append({names.setdefault(key, name): row for key, name, row in pairs})
    return found


def _test(benchmark: str) -> str:
    return benchmark.partition("[")[0]


def path(storage: Path, fingerprint: Mapping[str, Any], mode: str) -> Path:
    """Return where a machine's calibration is kept, or is to be; the mode is ``"history"`` or ``"against"``.

    It is the same machine where history takes it for that: the memory that it reports may be another by some pages.
    """
    folder = storage / "gate" / "calibration"
    for kept in sorted(folder.glob(f"*-{mode}.json")):
        with suppress(OSError, ValueError, TypeError, KeyError):
            if not differences(json.loads(kept.read_bytes())["fingerprint"], dict(fingerprint)):
                return kept
    digest = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:16]
    return folder / f"{digest}-{mode}.json"


def save(storage: Path, fingerprint: Mapping[str, Any], mode: str, found: list[Calibrated], **about: Any) -> Path:
    """Keep a calibration and return its path; the one before it is replaced."""
    where = path(storage, fingerprint, mode)
    where.parent.mkdir(parents=True, exist_ok=True)
    kept = {"schema": SCHEMA, "mode": mode, "fingerprint": fingerprint, **about, "calibrated": list(map(asdict, found))}
    atomic_write(where, json.dumps(kept, indent=2).encode() + b"\n")
    return where


def load(storage: Path, fingerprint: Mapping[str, Any], mode: str) -> list[Calibrated]:
    """Return what was kept for this machine; empty if there is none, or it is damaged: the next one replaces it."""
    import msgspec  # whoever only measures does not need it

    try:
        kept = json.loads(path(storage, fingerprint, mode).read_bytes())
        found = {1: "cells", SCHEMA: "calibrated"}[kept["schema"]]
        return msgspec.convert(kept[found], list[Calibrated])
    except (OSError, ValueError, TypeError, KeyError):
        return []
