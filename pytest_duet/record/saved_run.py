"""One saved run: what the gate reads of pytest-benchmark's file, and whether it counts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property

from pytest_duet.errors import DuetError
from pytest_duet.judge.verdict import Verdict
from pytest_duet.record.metrics import ACCURACY, DEVICE_SOURCES, METRICS
from pytest_duet.record.shape import NUMBER, check

CHANGES = (Verdict.REGRESSED, Verdict.IMPROVED, Verdict.MACHINE)
HELD = {
    Verdict.REGRESSED: "a benchmark regressed",
    Verdict.IMPROVED: "a benchmark improved; accept it to start a new window",
    Verdict.MACHINE: "the whole machine was slower",
    Verdict.VOID: "a benchmark failed",
}
# What is read of a run, and must look like this (judge/shape.py); the rest of the file is nobody's business here.
TRIAL = {
    "epoch_seconds?": NUMBER,
    "first_epoch_seconds?": NUMBER,
    "memory": {f"{source}?": NUMBER for source in ("host_peak_rss_bytes", *DEVICE_SOURCES)},
}
ROW = {
    "framework": str,
    "device": str,
    "contract": dict,
    "threads?": dict,
    "dataset": {"digest": str},
    "versions?": dict,
    "accuracy": NUMBER,
    "workload": dict,
    "trials": [TRIAL],
}
SHARD = {
    "run": str,
    "number": int,
    "of": int,
    "node?": str,
    "planned": [str],
    "benchmarks": [str],
    "outcomes": dict,
}
MERGED = {"run": str, "shards": [str], "missing": [str], "nodes": [str]}
BOUNDS = {"was?": NUMBER, "now?": NUMBER, "low?": NUMBER, "high?": NUMBER}
CELL = {"benchmark": str, "metric": str, "verdict": str, "note": str, **BOUNDS}
RUN = {
    "datetime?": str,
    "commit_info?": {"id?": str},
    "machine_info?": {"fingerprint?": dict},
    "benchmarks": [{"fullname": str, "extra_info?": dict}],
    "gate?": {"mode?": str, "failed_tests": int, "interrupted?": bool, "cells": [CELL]},
    "shard?": SHARD,
    "merged?": MERGED,
}


@dataclass(frozen=True)
class Run:
    """One saved run.

    :param name: its path below the storage, such as ``Linux-CPython-3.11-64bit/0007_abc.json``.
    :param data: the JSON.
    """

    name: str
    data: dict = field(repr=False)

    @cached_property
    def rows(self):
        """Each benchmark's ``extra_info`` by its ``fullname``; benchmarks that are not this suite's are left out."""
        benches = self.data["benchmarks"]
        return {bench["fullname"]: bench["extra_info"] for bench in benches if _is_ours(bench)}

    @property
    def fingerprint(self):
        return (self.data.get("machine_info") or {}).get("fingerprint")

    @property
    def when(self):
        return self.data.get("datetime") or ""

    @property
    def commit(self):
        return (self.data.get("commit_info") or {}).get("id") or ""

    @property
    def cells(self):
        """What the gate said of this run, as dictionaries; empty where it was not asked."""
        return (self.data.get("gate") or {}).get("cells", [])

    @property
    def changed(self):
        """What is another than it was, pairs of benchmark and metric."""
        changed = {(cell["benchmark"], cell["metric"]) for cell in self.cells if cell["verdict"] in CHANGES}
        # Where the accuracy is another, something else is trained: nothing before can be compared.
        others = {name for name, metric in changed if metric == ACCURACY}
        return sorted(changed | {(name, metric) for name in others for metric in METRICS})

    @property
    def why_held(self):
        """Why this run does not count until somebody accepts it; None if it counts."""
        if self.data.get("shard"):
            return "it is a shard of a run; `history merge` makes the run"
        missing = (self.data.get("merged") or {}).get("missing")
        if missing:
            return f"{len(missing)} of its benchmarks are missing"
        gate = self.data.get("gate")
        if gate is None:
            return "it says nothing of how it ended"
        for verdict, why in HELD.items():
            if any(cell["verdict"] == verdict for cell in self.cells):
                return why
        if gate.get("interrupted"):
            return "it was interrupted, so not all was judged"
        if gate.get("mode") == "against":
            return "both sides took turns"
        if gate["failed_tests"]:
            return f"{gate['failed_tests']} tests failed"
        return None if self.cells else "the gate was not asked about it"


def read_run(directory, name):
    """Return the :class:`Run` in a storage folder's file.

    :raises DuetError: where the file cannot be read, or is no run.
    """
    try:
        run = Run(name, json.loads((directory / name).read_bytes()))
        check(run.data, RUN, "the run")
        for benchmark, row in run.rows.items():
            check(row, ROW, benchmark)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DuetError(f"{directory / name} is damaged: {error}.") from error
    return run


def _is_ours(bench):
    row = bench.get("extra_info") or {}
    return "schema" in row and "trials" in row
