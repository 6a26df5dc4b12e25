"""Saved runs as a report takes them: for what they have, whoever wrote them, however long ago.

The gate is strict, since it judges. A report only shows: a run of another suite has its medians, an old one the fields
it had, and what can be used for nothing is named.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median

import orjson

from pytest_duet.judge.median_interval import median_interval
from pytest_duet.record.metrics import DEVICE_SOURCES
from pytest_duet.record.saved_run import Run
from pytest_duet.report.lenient import Record


@dataclass(frozen=True, slots=True)
class Point:
    """One benchmark in one saved run; what it does not say is None, or ``""`` where it is text.

    :param benchmark: pytest-benchmark's ``fullname``.
    :param framework: the name in the table; the benchmark's own where it is not this suite's.
    :param contract: ``execution``, ``data`` and ``precision``, in this order.
    :param seconds: of a steady epoch, or of however many steps it had; of a round where it is not this suite's.
    :param low: lower bound of its median over the trials, ``high`` the upper one.
    :param confidence: of these bounds.
    :param memory_bytes: peak, by ``memory_source``, a key of the ledger.
    """

    benchmark: str
    framework: str
    contract: tuple = ()
    device: str = ""
    seconds: float | None = None
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
    :param state: ``"accepted"``, ``"held"`` or ``"rejected"``, ``why`` in words; ``""`` outside of a history.
    :param shard: which one of which run it is, ``"2/4 of nightly-7"``; ``""`` where it is a whole run.
    :param data: the whole JSON, where it was asked for.
    """

    name: str
    points: tuple
    when: str = ""
    commit: str = ""
    branch: str = ""
    fingerprint: dict | None = None
    state: str = ""
    why: str = ""
    shard: str = ""
    data: dict | None = field(default=None, repr=False)


def parse(content):
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


def _parse_as_python(content):
    """Return what a file says that holds what Python writes and JSON does not know: NaN, Infinity, half characters."""
    try:
        return cleaned(json.loads(content))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _writable(data):
    """Return a dictionary; None for one that is empty, or nested deeper than orjson writes: it reads more than that."""
    try:
        orjson.dumps(data)
    except TypeError:
        return None
    return data or None


def cleaned(data):
    """Return data as strict JSON gives them back."""
    strict = json.loads(json.dumps(data, default=str), parse_constant=lambda name: None)
    return orjson.loads(json.dumps(strict, ensure_ascii=False).encode(errors="replace"))


def read(path, name=None, history=None):
    """Return the :class:`SavedRun` in a file, and what is to be said of it, ``""`` if nothing.

    :param history: :class:`pytest_duet.record.history.History` that it is part of, to say whether it counts.
    :raises ValueError: where it is no run; OSError where it cannot be read.
    """
    return from_data(parse(path.read_bytes()), name or path.name, history)


def from_data(data, name, history=None, keep=False):
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


def _shard(record):
    return f"{record.get('number')}/{record.get('of')} of {record.text('run')}" if record else ""


def _remark(data, points):
    missing = Record(data).get("merged", "missing")
    lost = [f"no host measured {', '.join(map(str, missing))}"] if isinstance(missing, list) and missing else []
    return "; ".join(lost + [text for text in [_remark_on_points(data, points)] if text])


def _remark_on_points(data, points):
    if not points:
        return "it holds no benchmark with a time"
    lost = len(data["benchmarks"]) - len(points)
    parts = [f"{lost} of its {len(data['benchmarks'])} benchmarks hold no time"] if lost else []
    if not all(point.ours for point in points):
        parts.append("it has benchmarks without this suite's fields: the medians of their rounds are shown")
    return "; ".join(parts)


def _date(text):
    """Return a date in UTC, as ISO 8601 has it; ``""`` for anything else, which could not be put in order."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return ""


def _state(history, data, name):
    if history is None:
        return "", ""
    try:
        return history.state(Run(name, data))
    except (AttributeError, KeyError, TypeError):
        return "held", "it cannot be judged: the gate's part of it is damaged"


def is_ours(bench):
    """Tell whether a benchmark's :class:`Record` has this suite's fields."""
    return bool(bench.text("extra_info", "framework") and bench.records("extra_info", "trials"))


def _point(bench):
    name = bench.text("fullname") or bench.text("name")
    round_seconds = bench.positive("stats", "median")
    if not is_ours(bench):
        if not name or not round_seconds:
            return None
        low, high = bench.number("stats", "q1"), bench.number("stats", "q3")
        return Point(name, name.rpartition("::")[2], seconds=round_seconds, low=low, high=high)
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
        contract(row),
        row.text("device"),
        seconds,
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


def contract(row):
    """Return a row's execution, data and precision."""
    return tuple(row.text("contract", part) for part in ("execution", "data", "precision"))


def memory_source(row):
    """Return the key of a row's ledger that the gate would judge its memory by; ``""`` where it has none."""
    sources = ("host_peak_rss_bytes",) if row.text("device") == "cpu" else DEVICE_SOURCES
    return next((source for source in sources if row.number("memory", source) is not None), "")
