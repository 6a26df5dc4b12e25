"""What only the suite knows of a row: its contract, its rate, its share of the measured peak, accuracy and parity."""

from __future__ import annotations

from benchmarks.frameworks.trainer import EXECUTIONS
from pytest_duet.report.additions import Column, Words
from pytest_duet.report.reading import contract, is_whole, steps
from pytest_duet.report.sections.comparison import memory_column


def peak_share(row):
    """Return the share of the measured peak that a row reached; None where it was beaten, and so was none."""
    share = row.number("limit_share")
    return share if share is not None and share <= 1 else None


def workload(row):
    """Return what a row trained, in words."""
    parts = []
    dataset, sizes = row.text("dataset", "name"), row.record("workload")
    network = sizes.get("layer_sizes")
    if isinstance(network, list):
        parts.append("-".join(map(str, network)))
    parts += [f"batch {sizes.number('batch_size'):g}"] if sizes.number("batch_size") else []
    parts += [dataset] if dataset not in ("", "mnist") else []
    parts += [f"{steps(row):g} steps"] if not is_whole(row) and steps(row) is not None else []
    return "; ".join(parts)


def _by_execution(row):
    execution = contract(row)[0]
    return EXECUTIONS.index(execution) if execution in EXECUTIONS else len(EXECUTIONS)


def _fastest_first(row):
    return -(row.number("images_per_second") or 0)


def _figure(*path, form, place, page, markdown="", rank=None):
    """Return the column of what stands at a path of a row."""
    return Column("_".join(path), lambda row: row.number(*path), form, 1, page, markdown, place, rank=rank)


def _contract(row):
    return ", ".join(filter(None, contract(row)))


WORDS = Words("Deep-learning frameworks, measured", "framework", "epoch", workload)
COLUMNS = (
    Column("contract", _contract, markdown="contract", place=20, words=True, rank=_by_execution),
    _figure("images_per_second", form="{:,.0f}", place=61, page="images/s", markdown="images/s", rank=_fastest_first),
    Column("limit_share", peak_share, "{:.0%}", page="of the measured peak", place=62),
    memory_column("context_floor_bytes", "GPU memory, once the framework is ready", place=63),  # nobody's peak
    _figure("accuracy", form="{:.4f}", place=81, page="accuracy", markdown="accuracy"),
    _figure("parity", "loss", form="{:.0e}", place=82, page="parity error: loss", markdown="parity: loss"),
    _figure("parity", "update", form="{:.0e}", place=83, page="update", markdown="update"),
)
