"""The shards of a run become the run: its rows and verdicts together, and by name what no shard measured."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_duet.record.lookback import differences
from pytest_duet.record.saved_run import Run, ShardRecord

UNLIKE = ("another Python or system", "another commit", "another machine", "judged otherwise")


@dataclass(frozen=True)
class Source:
    """A shard somewhere, or a run of them.

    :param run: by its file's name.
    :param folder: of a storage, that it belongs into, such as ``Linux-CPython-3.11-64bit``.
    """

    run: Run
    folder: str

    @property
    def shard(self) -> ShardRecord:
        assert self.run.shard
        return self.run.shard

    @property
    def node(self) -> str:
        node = self.shard.node or "an unnamed host"
        return "".join(letter if letter.isprintable() else "?" for letter in node)  # another host chose it

    @property
    def conditions(self) -> tuple[str, ...]:
        """What must be equal before shards make one run; in the order of ``UNLIKE``."""
        gate = self.run.gate
        judged = [gate is not None, gate and gate.mode, gate and gate.against]
        # The kernel's updates move the memory that it reports, and differences() knows by how much.
        machine = {name: value for name, value in (self.run.fingerprint or {}).items() if name != "memory_bytes"}
        return tuple(json.dumps(part, sort_keys=True) for part in (self.folder, self.run.commit, machine, judged))


@dataclass(frozen=True)
class Joined:
    """A run made of shards.

    :param sources: every shard that it has something of.
    :param missing: its benchmarks that no shard measured, skipped or failed: the shard's number by name.
    :param remarks: what else there is to say, a sentence each.
    """

    run: str
    of: int
    folder: str
    data: dict[str, Any] = field(repr=False)
    sources: list[Source]
    missing: dict[str, int]
    remarks: list[str]


def join(shards: Iterable[Source]) -> list[Joined]:
    """Return a run for each run id, and where the hosts were unlike, for each kind of host."""
    runs = defaultdict(list)
    for source in sorted(shards, key=lambda source: (source.run.when, source.shard.number, source.run.name)):
        runs[source.shard.run, source.shard.of].append(source)
    return [joined for key in sorted(runs) for joined in _join_run(runs[key])]


def ambiguous(shards: Iterable[Source]) -> dict[str, str]:
    """Return a sentence for each run id that is of two runs, by id: their shards are of different numbers."""
    counts = defaultdict(set)
    for source in shards:
        counts[source.shard.run].add(source.shard.of)
    return {
        run: f"{run}: there are shards of {' and of '.join(map(str, sorted(of)))} with this run id. Every run needs "
        "one of its own; give the folders or files of one."
        for run, of in counts.items()
        if len(of) > 1
    }


def _join_run(shards: list[Source]) -> list[Joined]:
    parts: list[list[Source]] = []
    for source in shards:
        for part in parts:
            if alike(part[0], source):
                part.append(source)
                break
        else:
            parts.append([source])
    unlike = [_unlike(parts[0][0], part[0]) for part in parts[1:]]
    # What another kind of host measured is missing here: a part of a run is no run that could be judged by.
    return [_join_part(part, _missing(shards, part), unlike) for part in parts]


def alike(one: Source, other: Source) -> bool:
    """Tell whether two sources can be parts of one run."""
    return one.conditions == other.conditions and not differences(one.run.fingerprint, other.run.fingerprint)


def _unlike(first: Source, other: Source) -> str:
    found = [what for what, a, b in zip(UNLIKE, first.conditions, other.conditions) if a != b]
    fields = [name for name, _, _ in differences(first.run.fingerprint, other.run.fingerprint)]
    what = ", ".join(found or ["another machine"]) + (f" ({', '.join(fields)})" if fields else "")
    return f"{other.node} is not like {first.node}: {what}; so each kind of host has a run of its own."


def _missing(shards: list[Source], part: list[Source]) -> dict[str, int]:
    """Return what the shards were to measure and a part of them has no outcome of, the number of its shard by name."""
    done = {name for source in part for name in source.shard.outcomes}
    numbers = {
        name: place % source.shard.of + 1 for source in shards for place, name in enumerate(source.shard.planned)
    }
    return {name: numbers[name] for name in sorted(numbers) if name not in done}


def _join_part(shards: list[Source], missing: dict[str, int], unlike: list[str]) -> Joined:
    """Return the run of shards that are alike, the oldest first."""
    owners: dict[str, tuple[Source, dict[str, Any]]] = {}
    remarks = list(unlike)
    for source in shards:
        for bench in source.run.data["benchmarks"]:
            name = bench["fullname"]
            if name in owners:
                before = owners[name][0].run.name
                remarks.append(f"{name} is in {before} and, later, in {source.run.name}: that one counts.")
            owners[name] = source, bench
    used = _used(shards, [source for source, _ in owners.values()])
    shard = used[0].shard
    # A shard's answers are of its own benchmarks; what several shards measured did not run in rounds, and has none.
    data = {name: value for name, value in used[0].run.data.items() if name not in ("shard", "answers")}
    data["benchmarks"] = [owners[name][1] for name in sorted(owners)]
    if used[0].run.gate:
        data["gate"] = _join_gates(used, {name: owner for name, (owner, _) in owners.items()}, missing, shard.of)
    data["merged"] = {
        "run": shard.run,
        "of": shard.of,
        "shards": [source.run.name for source in used],
        "missing": list(missing),
        "nodes": sorted({source.node for source in used}),
    }
    return Joined(shard.run, shard.of, used[0].folder, data, used, missing, remarks)


def _used(shards: list[Source], owners: list[Source]) -> list[Source]:
    """Return the shards that a run is made of: those that own a row, and the latest of each that has none."""
    latest = {source.shard.number: source for source in shards}
    owning = [source for source in shards if any(source is owner for owner in owners)]
    counted = {source.shard.number for source in owning}
    # A later attempt that was ended at once takes nothing from the rows of an earlier one.
    return [
        source
        for source in shards
        if source in owning or (source is latest[source.shard.number] and source.shard.number not in counted)
    ]


def _join_gates(shards: list[Source], owners: dict[str, Source], missing: dict[str, int], of: int) -> dict[str, Any]:
    """Return what the gates of shards said, together; a benchmark's comparisons come from where its row comes from."""
    gates = [source.run.gate for source in shards if source.run.gate]
    comparisons = {
        (one.benchmark, one.metric): one
        for source in shards
        for one in source.run.comparisons
        if owners.get(one.benchmark, source) is source
    }
    lost = [f"Missing: {name}; shard {number}/{of} did not measure it." for name, number in missing.items()]
    joined = replace(
        gates[0],
        failed_tests=sum(gate.failed_tests for gate in gates),
        interrupted=bool(missing) or any(gate.interrupted for gate in gates),
        comparisons=tuple(comparisons.values()),
        findings=(*dict.fromkeys(text for gate in gates for text in gate.findings), *lost),
        cautions=tuple(dict.fromkeys(text for gate in gates for text in gate.cautions)),
    )
    return joined.as_json()
