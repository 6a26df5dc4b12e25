"""One benchmark of one session: the record that ``extra_info["duet"]`` of pytest-benchmark's JSON holds.

Around it, ``extra_info`` is whoever's the benchmark is. Times are seconds, memory is bytes; None (``null``) is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from pytest_duet.record.metrics import MEMORY, Measured, memory_sources
from pytest_duet.trials.blocks import Block
from pytest_duet.trials.trial import Memory, Trial

if TYPE_CHECKING:
    from pytest_duet.trials.pairs import Pair

SCHEMA = 3


@dataclass(frozen=True)
class Against:
    """The other side of paired trials.

    :param name: as ``--against`` named it.
    :param ratios: new/old of the time that both took turns for, trial by trial, as most of the trial has it.
    :param blocks: of each trial, the turns that were compared; none where there were none, as where a test makes too
        few calls for turns, and in files from before they were kept.
    :param remarks: in sentences, why a side that waited may have worked on.
    :param wall_seconds: what each trial took, start-up included.
    """

    name: str
    row: Row
    ratios: tuple[float, ...]
    blocks: tuple[tuple[Block, ...], ...] = ()
    remarks: tuple[str, ...] = ()
    wall_seconds: tuple[float, ...] = ()

    @property
    def last_seconds(self) -> float:
        """What the last trial took, and the next one may take; 0 where nobody knows."""
        return self.wall_seconds[-1] if self.wall_seconds else 0.0

    @classmethod
    def of(cls, name: str, row: Row, pairs: Sequence[Pair]) -> Against:
        return cls(
            name,
            row,
            ratios=tuple(pair.ratio for pair in pairs),
            blocks=tuple(pair.blocks for pair in pairs) if all(pair.blocks for pair in pairs) else (),
            remarks=tuple(dict.fromkeys(remark for pair in pairs for remark in pair.remarks)),
            wall_seconds=tuple(pair.wall_seconds for pair in pairs),
        )


@dataclass(frozen=True)
class Again:
    """A benchmark that history left open, measured again beside the code of an accepted run.

    :param run: the name of that run.
    :param revision: its commit; ``""`` where nobody knows it.
    :param row: of the paired trials, the rounds of each left out; None where that code could not be run.
    :param why_not: why it could not, in a sentence.
    """

    run: str
    revision: str
    row: Row | None = None
    why_not: str = ""


@dataclass(frozen=True)
class Leak:
    """By how many bytes memory grows from round to round, and the interval of that mean."""

    bytes_per_round: float
    low: float
    high: float

    def __str__(self) -> str:
        mean, low, high = (each / 2**20 for each in (self.bytes_per_round, self.low, self.high))
        return f"each round takes {mean:.3g} MiB more memory ({low:.3g} to {high:.3g})"


@dataclass(frozen=True)
class Row:
    """What a session measured of one benchmark.

    :param device: ``cpu``, or ``gpu:`` and the GPU's name.
    :param labels: what sets it apart from others in tables, by name: only like ones compare.
    :param work: what it did, in words: likewise.
    :param conditions: what must be equal, beside the machine and the name, before two rows may be compared.
    :param workload: what tells that a benchmark of another name did the same, after it was renamed.
    :param code: which files the project's own modules were imported from, by the modules' names, where somebody looked;
        another revision's stand after its name.
    :param disturbed_trials: trials that stayed disturbed after every repetition.
    :param repeated_attempts: attempts that were thrown away.
    :param leak: where its memory grows from round to round.
    :param counters: what the work is made of, by name: equal work counts equally. None where it did not, once; empty
        where nobody counted.
    :param against: with ``--against``, the other side.
    :param again: with ``--gate``, what was measured once more because history left it open.
    """

    subject: str
    device: str
    metrics: dict[str, Measured]
    trials: tuple[Trial, ...]
    labels: dict[str, str] = field(default_factory=dict)
    work: str = ""
    conditions: dict[str, Any] = field(default_factory=dict)
    workload: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    python: str = ""
    code: dict[str, str] = field(default_factory=dict)
    disturbed_trials: int = 0
    repeated_attempts: int = 0
    leak: Leak | None = None
    counters: dict[str, float | None] = field(default_factory=dict)
    against: Against | None = None
    again: tuple[Again, ...] = ()
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        for name in ("conditions", "workload"):  # as a saved file gives them back, whose tuples are lists
            object.__setattr__(self, name, json.loads(json.dumps(getattr(self, name))))

    @classmethod
    def from_json(cls, extra_info: Mapping[str, Any]) -> Row | None:
        """Return the row in a benchmark's ``extra_info``; None where it has none.

        :raises ValueError: where it is damaged, naming the field.
        """
        import msgspec  # whoever only measures does not need it

        from pytest_duet.record.old_schemas import upgraded_row

        plain = upgraded_row(extra_info)
        if plain is None:
            return None
        try:
            return msgspec.convert(plain, cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error

    def as_json(self) -> dict[str, Any]:
        plain = asdict(self)
        plain["trials"] = [trial.as_json() for trial in self.trials]
        if self.against:
            plain["against"]["row"] = self.against.row.as_json()
        for kept, each in zip(plain["again"], self.again):
            kept["row"] = each.row and each.row.as_json()
        return plain

    def values(self, metric: str, source: str = "") -> list[float] | None:
        """Return a metric's value in each trial; None where one of them lacks it.

        :param source: of the memory, from :func:`memory_source`; it is the row's own by default.
        """
        if metric == MEMORY and source:
            return Measured("", values=tuple(getattr(trial.memory, source) for trial in self.trials)).known
        found = self.metrics.get(metric)
        return found.known if found else None

    def expected(self, metric: str) -> float | None:
        """Return what a metric should be; None where nobody knows."""
        found = self.metrics.get(metric)
        return found.expected if found else None

    def typical(self, metric: str) -> float | None:
        """Return the median over the trials; None where it is not known of all."""
        values = self.metrics[metric].values if metric in self.metrics else ()
        known = [value for value in values if value is not None]
        return median(known) if known and len(known) == len(values) else None


def memory_source(*rows: Row, shared: bool = False) -> str:
    """Return the first source of peak memory that every trial of all rows has; ``""`` if there is none.

    :param shared: whether both sides had the device at the same time: then what it holds altogether says nothing.
    """
    sources = memory_sources(rows[0].device)
    usable = (source for source in sources if not (shared and source.startswith("nvml_device")))
    return next((source for source in usable if all(row.values(MEMORY, source) for row in rows)), "")


def worst(records: Iterable[Memory]) -> Memory:
    """Return the ledger with the highest of each figure."""
    plain = [asdict(record) for record in records]
    known = {name: [record[name] for record in plain if record[name] is not None] for name in plain[0]}
    return Memory(**{name: max(values, default=None) for name, values in known.items()})
