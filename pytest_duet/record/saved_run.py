"""One saved run, pytest-benchmark's JSON: its rows, how it ended, and whether it counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pytest_duet.errors import DuetError
from pytest_duet.record.comparison import Comparison, Verdict
from pytest_duet.record.metrics import Metric
from pytest_duet.record.old_schemas import upgraded_gate
from pytest_duet.record.row import Row

CHANGES = (Verdict.REGRESSED, Verdict.IMPROVED, Verdict.MACHINE)
PENDING = {
    Verdict.REGRESSED: "a benchmark regressed",
    Verdict.IMPROVED: "a benchmark improved; accept it to start a new window",
    Verdict.MACHINE: "the whole machine was slower",
    Verdict.VOID: "a benchmark failed",
}

UNVERSIONED = "unversioned"  # pytest-benchmark's commit where there is no repository


@dataclass(frozen=True)
class GateRecord:
    """What the gate left in a run; RESULTS.md documents the fields.

    :param mode: ``"history"`` or ``"against"``; None where it was not asked.
    """

    mode: str | None = None
    against: str | None = None
    max_trials: int | None = None
    failed_tests: int = 0
    interrupted: bool = False
    comparisons: tuple[Comparison, ...] = ()
    findings: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    metrics: dict[str, Metric] = field(default_factory=dict)
    schema: int = 2

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class ShardRecord:
    """Which part of which run it is, and what became of the benchmarks that it was to measure."""

    run: str
    number: int
    of: int
    planned: tuple[str, ...]
    benchmarks: tuple[str, ...]
    outcomes: dict[str, str]
    node: str | None = None


@dataclass(frozen=True)
class MergedRecord:
    """Which shards a run was made of, and what none of them measured."""

    run: str
    shards: tuple[str, ...]
    missing: tuple[str, ...]
    nodes: tuple[str, ...]
    of: int = 0


@dataclass
class Run:
    """One saved run; a text that it does not say is ``""``, all else None.

    :param name: its path below the storage, such as ``Linux-CPython-3.11-64bit/0007_abc.json``.
    :param rows: by benchmark, pytest-benchmark's ``fullname``; those of other suites have none.
    :param damaged: benchmarks whose row cannot be used, and why.
    :param when: ISO 8601, UTC, so that texts sort as dates do.
    :param fingerprint: of its machine.
    :param data: the whole JSON.
    :param broken: what is damaged of what it says of itself; only :meth:`to_show` returns such a run.
    """

    name: str
    rows: dict[str, Row] = field(default_factory=dict, repr=False)
    damaged: dict[str, str] = field(default_factory=dict)
    when: str = ""
    commit: str = ""
    branch: str = ""
    fingerprint: dict[str, Any] | None = None
    gate: GateRecord | None = None
    shard: ShardRecord | None = None
    merged: MergedRecord | None = None
    data: dict[str, Any] = field(default_factory=dict, repr=False)
    broken: str = ""

    @classmethod
    def from_json(cls, name: str, data: Mapping[str, Any]) -> Self:
        """Return the run in pytest-benchmark's JSON. A damaged row costs its own benchmark.

        :raises ValueError: where it is no run, or what it says of itself is damaged.
        """
        run = cls.to_show(name, data)
        if run.broken:
            raise ValueError(run.broken)
        return run

    @classmethod
    def to_show(cls, name: str, data: Mapping[str, Any]) -> Self:
        """Return the same, also where what it says of itself is damaged, which is left out and named: it has rows."""
        rows, damaged = {}, {}
        for bench in benchmarks(data):
            benchmark = bench.get("fullname")
            if not isinstance(benchmark, str):
                continue
            try:
                row = Row.from_json(bench.get("extra_info") or {})
            except (ValueError, AttributeError) as error:
                damaged[benchmark] = str(error)
                continue
            if row is not None:
                rows[benchmark] = row
        commit = _object(data, "commit_info")
        parts, broken = _parts(data)
        return cls(
            name,
            rows,
            damaged,
            when=_date(data.get("datetime")),
            commit=_text(commit.get("id")),
            branch=_text(commit.get("branch")),
            fingerprint=_object(_object(data, "machine_info"), "fingerprint") or None,
            data=dict(data),
            broken=broken,
            **parts,
        )

    @property
    def revision(self) -> str:
        """The commit whose code was measured; ``""`` where that is in no commit."""
        dirty = _object(self.data, "commit_info").get("dirty")
        return "" if dirty or self.commit == UNVERSIONED else self.commit

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """What the gate said of this run; empty where it was not asked."""
        return self.gate.comparisons if self.gate else ()

    @property
    def changed(self) -> list[tuple[str, str]]:
        """What is not as it was, pairs of benchmark and metric."""
        metrics = self.gate.metrics if self.gate else {}
        changed = {(one.benchmark, one.metric) for one in self.comparisons if one.verdict in CHANGES}
        # Where what has to stay the same is another, other work was done: nothing before can be compared.
        others = {name for name, metric in changed if metric in metrics and metrics[metric].exact}
        return sorted(changed | {(name, metric) for name in others for metric in metrics})

    @property
    def why_pending(self) -> str | None:
        """Why this run does not count until somebody accepts it; None if it counts."""
        if self.broken:
            return f"it cannot be judged: {self.broken}"
        if self.shard:
            return "it is a shard of a run; `history merge` makes the run"
        if self.merged and self.merged.missing:
            return f"{len(self.merged.missing)} of its benchmarks are missing"
        if self.gate is None:
            return "it says nothing of how it ended"
        for verdict, why in PENDING.items():
            if any(one.verdict is verdict for one in self.comparisons):
                return why
        if self.gate.interrupted:
            return "it was interrupted, so not all was judged"
        if self.gate.mode == "against":
            return "both sides took turns"
        if self.gate.failed_tests:
            return f"{self.gate.failed_tests} tests failed"
        return None if self.comparisons else "the gate was not asked about it"


def read_run(directory: Path, name: str) -> Run:
    """Return the :class:`Run` in a storage folder's file.

    :raises DuetError: where the file cannot be read, or is no run.
    """
    try:
        return Run.from_json(name, parse((directory / name).read_bytes()))
    except (OSError, ValueError) as error:
        raise DuetError(f"{directory / name} is damaged: {error}.") from error


def parse(content: bytes) -> dict[str, Any]:
    """Return what a JSON file says.

    :raises ValueError: where it is none, or no pytest-benchmark run.
    """
    import msgspec  # whoever only measures does not need it

    try:
        data = msgspec.json.decode(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:
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


def cleaned(data: Any) -> Any:
    """Return data as strict JSON gives them back: what is no number there is None."""
    import msgspec

    strict = json.loads(json.dumps(data, default=str), parse_constant=lambda name: None)
    return msgspec.json.decode(json.dumps(strict, ensure_ascii=False).encode(errors="replace"))


def benchmarks(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return pytest-benchmark's entries of a run; what is no object among them is left out."""
    return [bench for bench in data["benchmarks"] if isinstance(bench, dict)]


def _parts(data: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return what a run says of itself, by name, and what of it is damaged."""
    import msgspec

    found: dict[str, Any] = {}
    broken = []
    for name, kind in {"gate": GateRecord, "shard": ShardRecord, "merged": MergedRecord}.items():
        plain = data.get(name)
        if plain is None:
            continue
        try:
            found[name] = msgspec.convert(upgraded_gate(plain) if name == "gate" else plain, kind)
        except (ValueError, TypeError, AttributeError) as error:  # msgspec's own is a ValueError
            broken.append(f"{name}: {error}")
    return found, "; ".join(broken)


def _object(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _date(text: Any) -> str:
    """Return a date in UTC, as ISO 8601 has it; ``""`` for anything else, which could not be put in order."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError, TypeError):
        return ""
