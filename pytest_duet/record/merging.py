"""The shards of a run become the run: its rows and verdicts together, and by name what no shard measured."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field

from pytest_duet.record.lookback import differences
from pytest_duet.record.saved_run import Run

UNLIKE = ("another Python or system", "another commit", "another machine", "judged otherwise")


@dataclass(frozen=True)
class Source:
    """A shard somewhere, or a run of them.

    :param run: :class:`pytest_duet.record.saved_run.Run`, by its file's name.
    :param folder: the name of a storage's folder that it belongs into, such as ``Linux-CPython-3.11-64bit``.
    """

    run: Run
    folder: str

    @property
    def shard(self):
        return self.run.data["shard"]

    @property
    def node(self):
        node = self.shard.get("node") or "an unnamed host"
        return "".join(letter if letter.isprintable() else "?" for letter in node)  # another host chose it

    @property
    def gate(self):
        return self.run.data.get("gate") or {}

    @property
    def conditions(self):
        """What must be equal before shards make one run; in the order of ``UNLIKE``."""
        judged = [bool(self.gate), self.gate.get("mode"), self.gate.get("against")]
        return tuple(json.dumps(part, sort_keys=True) for part in (self.folder, self.run.commit, self._machine, judged))

    @property
    def _machine(self):
        # The kernel's updates move the memory that it reports, and differences() knows by how much.
        return {name: value for name, value in (self.run.fingerprint or {}).items() if name != "memory_bytes"}


@dataclass(frozen=True)
class Joined:
    """A run made of shards.

    :param data: its JSON.
    :param sources: the :class:`Source` of every shard that it has something of.
    :param missing: its benchmarks that no shard measured, skipped or failed: the shard's number by name.
    :param remarks: what else there is to say, a sentence each.
    """

    run: str
    of: int
    folder: str
    data: dict = field(repr=False)
    sources: list
    missing: dict
    remarks: list


def join(shards):
    """Return a list of :class:`Joined`: a run for each run id, and where the hosts were unlike, for each kind of host.

    :param shards: a list of :class:`Source`.
    """
    runs = defaultdict(list)
    for source in sorted(shards, key=lambda source: (source.run.when, source.shard["number"], source.run.name)):
        runs[source.shard["run"], source.shard["of"]].append(source)
    return [joined for key in sorted(runs) for joined in _join_run(runs[key])]


def ambiguous(shards):
    """Return a sentence for each run id that is of two runs, by id: their shards are of different numbers."""
    counts = defaultdict(set)
    for source in shards:
        counts[source.shard["run"]].add(source.shard["of"])
    return {
        run: f"{run}: there are shards of {' and of '.join(map(str, sorted(of)))} with this run id. Every run needs "
        "one of its own; give the folders or files of one."
        for run, of in counts.items()
        if len(of) > 1
    }


def _join_run(shards):
    parts = []
    for source in shards:
        part = next((part for part in parts if alike(part[0], source)), None)
        if part is None:
            parts.append([source])
        else:
            part.append(source)
    unlike = [_unlike(parts[0][0], part[0]) for part in parts[1:]]
    # What another kind of host measured is missing here: a part of a run is no run that could be judged by.
    return [_join_part(part, _missing(shards, part), unlike) for part in parts]


def alike(one, other):
    """Tell whether two of :class:`Source` can be parts of one run."""
    return one.conditions == other.conditions and not differences(one.run.fingerprint, other.run.fingerprint)


def _unlike(first, other):
    """Say in what way the host of one part is not like that of the first."""
    found = [what for what, a, b in zip(UNLIKE, first.conditions, other.conditions) if a != b]
    fields = [name for name, _, _ in differences(first.run.fingerprint, other.run.fingerprint)]
    what = ", ".join(found or ["another machine"]) + (f" ({', '.join(fields)})" if fields else "")
    return f"{other.node} is not like {first.node}: {what}; so each kind of host has a run of its own."


def _missing(shards, part):
    """Return what the shards were to measure and a part of them has no outcome of, the number of its shard by name."""
    done = {name for source in part for name in source.shard["outcomes"]}
    numbers = {
        name: place % source.shard["of"] + 1 for source in shards for place, name in enumerate(source.shard["planned"])
    }
    return {name: numbers[name] for name in sorted(numbers) if name not in done}


def _join_part(shards, missing, unlike):
    """Return the :class:`Joined` of shards that are alike, the oldest first."""
    latest = {source.shard["number"]: source for source in shards}
    owners, remarks = {}, list(unlike)
    for source in shards:
        for bench in source.run.data["benchmarks"]:
            before = owners.get(bench["fullname"])
            if before:
                remarks.append(
                    f"{bench['fullname']} is in {before[0].run.name} and, later, in {source.run.name}: that one counts."
                )
            owners[bench["fullname"]] = source, bench
    owning = [source for source in shards if any(source is owner for owner, _ in owners.values())]
    counted = {source.shard["number"] for source in owning}
    # A later attempt that was ended at once takes nothing from the rows of an earlier one.
    used = [
        source
        for source in shards
        if source in owning or (source is latest[source.shard["number"]] and source.shard["number"] not in counted)
    ]
    shard = used[0].shard
    data = {name: value for name, value in used[0].run.data.items() if name != "shard"}
    data["benchmarks"] = [owners[name][1] for name in sorted(owners)]
    if used[0].gate:
        data["gate"] = _join_gates(used, {name: owner for name, (owner, _) in owners.items()}, missing, shard["of"])
    data["merged"] = {
        "run": shard["run"],
        "of": shard["of"],
        "shards": [source.run.name for source in used],
        "missing": list(missing),
        "nodes": sorted({source.node for source in used}),
    }
    return Joined(shard["run"], shard["of"], used[0].folder, data, used, missing, remarks)


def _join_gates(shards, owners, missing, of):
    """Return what the gates of shards said, together; a benchmark's cells come from where its row comes from."""
    cells = {}
    for source in shards:
        for cell in source.gate["cells"]:
            if owners.get(cell["benchmark"], source) is source:
                cells[cell["benchmark"], cell["metric"]] = cell
    lost = [f"Missing: {name}; shard {number}/{of} did not measure it." for name, number in missing.items()]
    return {
        **shards[0].gate,
        "failed_tests": sum(source.gate["failed_tests"] for source in shards),
        "interrupted": bool(missing) or any(source.gate.get("interrupted") for source in shards),
        "cells": list(cells.values()),
        "findings": _once(shards, "findings") + lost,
        "cautions": _once(shards, "cautions"),
    }


def _once(shards, what):
    return list(dict.fromkeys(text for source in shards for text in source.gate.get(what) or ()))
