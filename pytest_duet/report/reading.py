"""What a report reads of a saved row, whoever wrote it: all sections ask here, and nowhere else, what a field means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_duet.record.metrics import memory_sources
from pytest_duet.report.lenient import Record

if TYPE_CHECKING:
    from pytest_duet.report.additions import Words
    from pytest_duet.report.saved_runs import SavedRun

CONTRACT = ("execution", "data", "precision")
FILTERS = ("framework", "execution", "device", "precision")  # the page's


def is_ours(bench: Record) -> bool:
    """Tell whether a benchmark has trials, as this plugin measures them."""
    return bool(bench.text("extra_info", "framework") and bench.records("extra_info", "trials"))


def benches(run: SavedRun) -> list[Record]:
    """Return the benchmarks of a run, with its data, that have trials."""
    return [bench for bench in Record(run.data).records("benchmarks") if is_ours(bench)]


def rows_of(run: SavedRun) -> list[Record]:
    """Return what this plugin says of each of them."""
    return [bench.record("extra_info") for bench in benches(run)]


def contract(row: Record) -> tuple[str, ...]:
    """Return a row's execution, data and precision."""
    return tuple(row.text("contract", part) for part in CONTRACT)


def conditions(row: Record) -> dict[str, str]:
    """Return what the page filters a row by, and what else its colour and group go by."""
    return {"framework": row.text("framework"), **dict(zip(CONTRACT, contract(row))), "device": row.text("device")}


def device_title(device: str) -> str:
    """Return a row's device as a heading has it."""
    return "CPU" if device == "cpu" else device.removeprefix("gpu:")


def group_title(row: Record, words: Words) -> str:
    """Return what all rows of a group have in common, in words: device, contract, workload."""
    parts = (device_title(row.text("device")), ", ".join(filter(None, contract(row))), words.workload(row))
    return "; ".join(filter(None, parts))


def is_whole(row: Record) -> bool:
    """Tell whether a row's rounds were whole ones; the times of parts are no round's."""
    return row.get("whole_epochs") is not False


def steps(row: Record) -> float | None:
    """Return how many steps a round had."""
    return row.number("steps_per_epoch")


def versions(row: Record) -> str:
    """Return the versions of a row's subject and of what it stands on, in words."""
    known = row.record("versions").data
    parts = [f"{name} {version}" for name, version in known.items() if isinstance(version, str)]
    return ", ".join([*parts, *([f"Python {row.text('python')}"] if row.text("python") else [])])


def memory_source(row: Record) -> str:
    """Return the key of a row's ledger that the gate would judge its memory by; ``""`` where it has none."""
    found = (name for name in memory_sources(row.text("device")) if row.number("memory", name) is not None)
    return next(found, "")
