"""What a worker tells the controller of a benchmark: it travels with pytest's report of the test, as JSON.

So whatever a worker has finished is the controller's, even if that worker dies right after.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from types import SimpleNamespace

from pytest_benchmark.stats import Metadata

from pytest_duet.record.metrics import Margin

ATTRIBUTE = "framework_benchmark"  # of the report


def attach(report, gate, item, machine_info):
    """Put what is known of a benchmark onto the report of one of its phases.

    :param gate: the worker's :class:`pytest_duet.plugin.gate.Gate`, which knows its margins and its row.
    :param machine_info: called for what pytest-benchmark says of this machine, once there is a row.
    """
    node = item.nodeid
    told = {
        "framework": gate.framework_of[node],
        "margins": {metric: asdict(margin) for metric, margin in gate.margins[node].items()},
        "narrowed": gate.narrowed,
    }
    if report.when == "call" and node in gate.rows:
        stats = item.funcargs["benchmark"].stats
        told["name"], told["row"] = gate.names[node], dict(gate.rows[node])
        told["benchmark"] = stats and dict(stats.as_dict(), extra_info=None)  # which is the row
        told["machine_info"] = machine_info()
    setattr(report, ATTRIBUTE, json.dumps(told))


def read(report):
    """Return what :func:`attach` put onto a report, margins and pytest-benchmark's records revived; None for others."""
    text = getattr(report, ATTRIBUTE, None)
    if text is None:
        return None
    told = json.loads(text)
    told["margins"] = {metric: Margin(**margin) for metric, margin in told["margins"].items()}
    if told.get("benchmark"):
        told["benchmark"] = _revive(told["benchmark"], told["row"])
    return told


def _revive(plain, row):
    """Return pytest-benchmark's record of a benchmark, of which ``plain`` was the JSON."""
    fixture = SimpleNamespace(**plain, cprofile_stats=None, has_error=False)
    fixture.extra_info = row
    record = Metadata(fixture, plain["stats"]["iterations"], plain["options"])
    for seconds in plain["stats"]["data"]:
        record.stats.update(seconds)
    return record
