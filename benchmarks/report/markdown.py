"""A saved run as a Markdown table: ``python -m benchmarks.report.markdown run.json``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

MIB = 2**20
HEADINGS = ("framework", "version", "contract", "environment", "epoch", "first epoch", "images/s")
HEADINGS += ("memory, host", "accuracy", "parity: loss", "update")
EXECUTIONS = ("eager", "compiled", "graph", "fused-epoch")


def table(saved):
    """Return the Markdown table of a saved run, grouped by execution, the fastest first.

    :param saved: the content of a pytest-benchmark JSON file; benchmarks without this suite's fields are passed over.
    """
    rows = [benchmark["extra_info"] for benchmark in saved["benchmarks"] if "contract" in benchmark["extra_info"]]
    rows.sort(key=lambda row: (EXECUTIONS.index(row["contract"]["execution"]), -row["images_per_second"]))
    lines = [table_row(HEADINGS), table_row("---" if i < 4 else "---:" for i in range(len(HEADINGS)))]
    return "\n".join(lines + [table_row(_cells(row)) for row in rows]) + "\n"


def table_row(cells):
    """Return a table's row of escaped cells."""
    return "| " + " | ".join(map(escape, cells)) + " |"


def escape(text):
    """Return text that stays text: neither HTML nor the end of a cell or of a row."""
    for old, new in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("\n", " ")):
        text = text.replace(old, new)
    return text


def _cells(row):
    if row["whole_epochs"]:
        epochs = f"{row['epoch_seconds']:.3f} s", f"{row['first_epoch_seconds']:.3f} s"
    else:
        epochs = f"{row['steps_per_second']:.1f} steps/s (epochs of {row['steps_per_epoch']})", "-"
    versions = [f"{name.split('.')[0]} {version}" for name, version in row["versions"].items() if version != "unknown"]
    python = f"Python {row['python'].rpartition('.')[0]}"
    return (
        f"`{row['framework']}`",
        " ".join(versions[:2]),
        ", ".join(row["contract"].values()),
        # Pytest's own interpreter may be of any environment, and the record names none.
        f"{row['environment']}, {python}" if row["environment"] else python,
        *epochs,
        f"{row['images_per_second']:,.0f}",
        f"{row['memory']['host_peak_rss_bytes'] / MIB:,.0f} MiB" if row["memory"]["host_peak_rss_bytes"] else "-",
        f"{row['accuracy']:.4f}",
        f"{row['parity']['loss']:.0e}",
        f"{row['parity']['update']:.0e}",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="what --benchmark-json or --benchmark-autosave wrote")
    path = parser.parse_args().run
    try:
        print(table(json.loads(path.read_text())), end="")
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"{path} is not a run that this suite saved: {type(error).__name__}: {error}.") from None


if __name__ == "__main__":
    main()
