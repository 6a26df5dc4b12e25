"""Saved files of before, read as if they were of today.

Rows of schema 1 and 2 were those of the one suite that there was then, flat in ``extra_info``: its words (framework,
epoch, accuracy, contract) are known here and nowhere else in this package. A file is never changed on disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import inf
from typing import Any

from pytest_duet.record.margins import Margin
from pytest_duet.record.metrics import MEMORY, Measured, Metric, memory_sources

TODAY, GATE_TODAY = 3, 2

# As they were when such files were written: whoever wrote them may compare by other metrics today, they may not.
_OF_THEN = (
    Metric("accuracy", "accuracy", "", "same", tolerance=0.001),
    Metric(
        "epoch_seconds", "epoch time", "s", weight=2, history=Margin(0.05, 1e-3), against=Margin(0.02, 1e-3), turns=True
    ),
    Metric(MEMORY, "peak memory", "B", history=Margin(0.02, 2**20), against=Margin(0.02, 2**20)),
    Metric("first_epoch_seconds", "first epoch", "s", history=Margin(0.25, 0.5), against=Margin(0.25, 0.5)),
)
METRICS = {metric.name: metric for metric in _OF_THEN}
COMPARISON = {"framework": "subject", "was": "old", "now": "new"}


def upgraded_row(extra_info: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a row in today's form, not checked yet; None where there is none.

    :raises ValueError: for a row of a schema to come, or one whose fields are missing.
    """
    today: dict[str, Any] | None = extra_info.get("duet")
    if today is not None:
        schema = today.get("schema") if isinstance(today, dict) else None
        if schema != TODAY:
            newer = ": a newer pytest-duet wrote it" if isinstance(schema, int) and schema > TODAY else ""
            raise ValueError(f"schema {schema!r} is not known here{newer}")
        return today
    if "schema" not in extra_info or "trials" not in extra_info:
        return None
    try:
        return _row(extra_info)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _row(old: Mapping[str, Any]) -> dict[str, Any]:
    trials, contract, dataset = old["trials"], old["contract"], old.get("dataset") or {}
    row = {
        "schema": TODAY,
        "subject": old["framework"],
        "device": old["device"],
        "labels": contract,
        "work": _work(old, dataset),
        "conditions": {
            "device": old["device"],
            "contract": contract,
            "threads": (old.get("threads") or {}).get("asked"),
            "scheduling": old.get("scheduling"),
            "digest of the data": dataset["digest"],
            "workload": old["workload"],
        },
        "workload": old["workload"],
        "versions": old.get("versions") or {},
        "python": old.get("python") or "",
        "metrics": _metrics(old, trials),
        "trials": [_trial(trial) for trial in trials],
        "disturbed_trials": old.get("disturbed_trials") or 0,
        "repeated_attempts": old.get("repeated_attempts") or 0,
    }
    if old.get("against"):
        other = old["against"]
        row["against"] = {
            "name": other.get("name") or "",
            "row": _row(other),
            "ratios": other["epoch_ratios"],
        }
    return row


def _work(old: Mapping[str, Any], dataset: Mapping[str, Any]) -> str:
    workload, steps = old["workload"], old.get("steps_per_epoch")
    sizes, batch = workload.get("layer_sizes"), workload.get("batch_size")
    words = (
        "-".join(map(str, sizes)) if sizes else "",
        f"batch {batch}" if batch else "",
        dataset["name"] if dataset.get("name", "mnist") != "mnist" else "",
        f"{steps} steps" if old.get("whole_epochs") is False and steps else "",
    )
    return "; ".join(filter(None, words))


def _metrics(old: Mapping[str, Any], trials: list[dict[str, Any]]) -> dict[str, Any]:
    sources = memory_sources(old["device"])
    held = {source: [trial["memory"].get(source) for trial in trials] for source in sources}
    source = next((source for source in sources if all(map(_known, held[source]))), "")
    values = {
        "accuracy": [old["accuracy"]] * len(trials),
        "epoch_seconds": [trial.get("epoch_seconds") for trial in trials],
        MEMORY: held.get(source, []),
        "first_epoch_seconds": [trial.get("first_epoch_seconds") for trial in trials],
    }
    return {
        name: asdict(Measured.of(metric, values[name], source if name == MEMORY else ""))
        for name, metric in METRICS.items()
    }


def _known(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 < value < inf


def _trial(old: dict[str, Any]) -> dict[str, Any]:
    names = {"epoch_seconds": "seconds", "first_epoch_seconds": "first_seconds", "epochs": "rounds"}
    trial = {names.get(name, name): value for name, value in old.items()}
    trial["rounds"] = [_round(epoch) for epoch in old.get("epochs") or ()]
    return trial


def _round(old: dict[str, Any]) -> dict[str, Any]:
    found = {"number" if name == "epoch" else name: value for name, value in old.items()}
    return dict(found, metrics={name: old[name] for name in ("loss", "accuracy") if old.get(name) is not None})


def upgraded_gate(gate: dict[str, Any]) -> dict[str, Any]:
    """Return what the gate left in a run in today's form, not checked yet."""
    if "cells" not in gate:
        if gate.get("schema") != GATE_TODAY:
            raise ValueError("its schema is not known here: a newer pytest-duet wrote it")
        return gate
    comparisons = [{COMPARISON.get(name, name): value for name, value in cell.items()} for cell in gate["cells"]]
    metrics = {name: asdict(metric) for name, metric in METRICS.items()}
    return {**gate, "schema": GATE_TODAY, "comparisons": comparisons, "metrics": metrics}
