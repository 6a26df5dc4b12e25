"""Saved runs as a report takes them: for what they have, whoever wrote them, however long ago.

The gate is strict, since it judges. A report only shows: a run of another suite has its medians, an old one the fields
it had, and what can be used for nothing is named.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from pytest_duet.judge.median_interval import median_interval
from pytest_duet.record.history import History
from pytest_duet.record.saved_run import Run
from pytest_duet.report.lenient import Record
from pytest_duet.report.reading import contract, is_ours, memory_source

# What a run's state is called; the key is what the files say.
STATES = {"accepted": "accepted", "held": "pending", "rejected": "rejected", "": ""}


@dataclass(frozen=True, slots=True)
class Point:
    """One benchmark in one saved run; what it does not say is None, or ``""`` where it is text.

    :param benchmark: pytest-benchmark's ``fullname``.
    :param framework: the name in the table; the benchmark's own where it has no trials.
    :param contract: ``execution``, ``data`` and ``precision``, in this order.
    :param seconds: of a steady round of the trials; pytest-benchmark's median where there are no trials.
    :param low: lower bound of its median over the trials, ``high`` the upper one.
    :param confidence: of these bounds.
    :param memory_bytes: peak, by ``memory_source``, a key of the ledger.
    """

    benchmark: str
    framework: str
    seconds: float
    contract: tuple[str, ...] = ()
    device: str = ""
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    first_epoch_seconds: float | None = None
    memory_bytes: float | None = None
    memory_source: str = ""
    accuracy: float | None = None
    disturbed: int = 0
    ours: bool = False


@dataclass(slots=True)
class SavedRun:
    """One saved run, without most of what it says.

    :param name: what it is listed by.
    :param when: ISO 8601; ``""`` if unknown, as are ``commit`` and ``branch``.
    :param fingerprint: of its machine; None if unknown.
    :param state: a key of ``STATES``, ``why`` in words; ``""`` outside of a history.
    :param shard: which one of which run it is, ``"2/4 of nightly-7"``; ``""`` where it is a whole run.
    :param data: the whole JSON, where it was asked for.
    """

    name: str
    points: tuple[Point, ...]
    when: str = ""
    commit: str = ""
    branch: str = ""
    fingerprint: dict[str, Any] | None = None
    state: str = ""
    why: str = ""
    shard: str = ""
    data: dict[str, Any] | None = field(default=None, repr=False)


def parse(content: bytes) -> dict[str, Any]:
    """Return what a JSON file says.

    :raises ValueError: where it is none, or no pytest-benchmark run.
    """
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError:
        data = _parse_as_python(content)
    if not isinstance(data, dict) or not isinstance(data.get("benchmarks"), list):
        raise ValueError("it holds no list of benchmarks")
    return data


def _parse_as_python(content: bytes) -> Any:
    """Return what a file says that holds what Python writes and JSON does not know: NaN, Infinity, half characters."""
    try:
        return cleaned(json.loads(content))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _writable(data: dict[str, Any]) -> dict[str, Any] | None:
    """Return a dictionary; None if it is empty, or nested deeper than orjson can write, though it can read it."""
    try:
        orjson.dumps(data)
    except TypeError:
        return None
    return data or None


def cleaned(data: Any) -> Any:
    """Return data as strict JSON gives them back."""
    strict = json.loads(json.dumps(data, default=str), parse_constant=lambda name: None)
    return orjson.loads(json.dumps(strict, ensure_ascii=False).encode(errors="replace"))


def read(path: Path, name: str | None = None, history: History | None = None) -> tuple[SavedRun, str]:
    """Return the run in a file, and a remark on it, ``""`` if there is nothing to remark.

    :param history: that it is part of, to say whether it counts.
    :raises ValueError: where it is no run; OSError where it cannot be read.
    """
    return from_data(parse(path.read_bytes()), name or path.name, history)


def from_data(
    data: dict[str, Any], name: str, history: History | None = None, keep: bool = False
) -> tuple[SavedRun, str]:
    """Return the same of a run that was parsed already.

    :param keep: whether to keep all of its data.
    """
    record = Record(data)
    points = tuple(filter(None, map(_point, record.records("benchmarks"))))
    state, why = _state(history, data, name)
    run = SavedRun(
        name,
        points,
        when=_date(record.text("datetime")),
        commit=record.text("commit_info", "id"),
        branch=record.text("commit_info", "branch"),
        fingerprint=_writable(record.record("machine_info", "fingerprint").data),
        state=state,
        why=why,
        shard=_shard(record.record("shard")),
        data=data if keep else None,
    )
    return run, _remark(data, points)


def _shard(record: Record) -> str:
    return f"{record.get('number')}/{record.get('of')} of {record.text('run')}" if record else ""


def _remark(data: dict[str, Any], points: Sequence[Point]) -> str:
    missing = Record(data).get("merged", "missing")
    lost = [f"no host measured {', '.join(map(str, missing))}"] if isinstance(missing, list) and missing else []
    return "; ".join(lost + [text for text in [_remark_on_points(data, points)] if text])


def _remark_on_points(data: dict[str, Any], points: Sequence[Point]) -> str:
    if not points:
        return "it holds no benchmark with a time"
    lost = len(data["benchmarks"]) - len(points)
    parts = [f"{lost} of its {len(data['benchmarks'])} benchmarks hold no time"] if lost else []
    if not all(point.ours for point in points):
        parts.append("it has benchmarks without trials: the medians of their rounds are shown")
    return "; ".join(parts)


def _date(text: str) -> str:
    """Return a date in UTC, as ISO 8601 has it; ``""`` for anything else, which could not be put in order."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return ""


def _state(history: History | None, data: dict[str, Any], name: str) -> tuple[str, str]:
    if history is None:
        return "", ""
    try:
        return history.state(Run(name, data))
    except (AttributeError, KeyError, TypeError):
        return "held", "it cannot be judged: the gate's part of it is damaged"


def _point(bench: Record) -> Point | None:
    name = bench.text("fullname") or bench.text("name")
    round_seconds = bench.positive("stats", "median")
    if not is_ours(bench):
        if not name or not round_seconds:
            return None
        low, high = bench.number("stats", "q1"), bench.number("stats", "q3")
        return Point(name, name.rpartition("::")[2], round_seconds, low=low, high=high)
    row = bench.record("extra_info")
    times = list(filter(None, (trial.positive("epoch_seconds") for trial in row.records("trials"))))
    seconds = row.positive("epoch_seconds") or (median(times) if times else round_seconds)
    if not name or not seconds:
        return None
    bounds = median_interval(times)
    source = memory_source(row)
    return Point(
        name,
        row.text("framework"),
        seconds,
        contract(row),
        row.text("device"),
        bounds and bounds.low,
        bounds and bounds.high,
        bounds and bounds.confidence,
        row.number("first_epoch_seconds"),
        row.number("memory", source),
        source,
        row.number("accuracy"),
        int(row.number("disturbed_trials") or 0),
        True,
    )
