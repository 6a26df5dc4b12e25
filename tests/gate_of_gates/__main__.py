"""How good are gates? ``python -m tests.gate_of_gates``: power and false alarms against minutes, of this and others.

Each gate runs ``--sessions`` times on a simulated machine (tests/gate_of_gates/machine.py) of every kind, with new code
that is as fast as the old, and slower by 1, 2, 5 and 10 %. The same seed is the same machine for all of them. What they
said is kept in results/gate-of-gates/simulated.json; ``--page`` judges the recorded sessions again and makes
docs/gate-of-gates.md and its picture, without simulating anything.

It wants the environment of ``tox run -e peers``, which has the other gates.
"""

import argparse
import json
import subprocess
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np

from pytest_duet.record.comparison import Verdict
from pytest_duet.trials.other_side import interpreter_of
from tests.gate_of_gates import own, page, peers, recorded, rules
from tests.gate_of_gates.machine import KINDS, Machine
from tests.sessions import ROOT

SLOWER = (0.0, 0.01, 0.02, 0.05, 0.10)
SEED = 2026
KEPT = ROOT / "results" / "gate-of-gates" / "simulated.json"
PACKAGES = ("pytest-benchmark", "benchmatrix", "pyperf", "numpy", "scipy")
find_change_points = None  # by Otava, one in each process of the pool


GATES = {
    "against, calibrated": lambda machine, slower, rng, known: own.against(machine, slower, known),
    "against": lambda machine, slower, rng, known: own.against(machine, slower, {}),
    "history": lambda machine, slower, rng, known: own.by_runs(machine, slower, known, rng),
    "compare-fail": lambda machine, slower, rng, known: peers.compare_fail(machine, slower, rng),
    "thresholds": lambda machine, slower, rng, known: peers.thresholds(machine, slower, rng),
    "u-test": lambda machine, slower, rng, known: peers.u_test(machine, slower, rng),
    "pyperf": lambda machine, slower, rng, known: peers.pyperf_compare(machine, slower, rng),
    "benchmatrix": lambda machine, slower, rng, known: peers.benchmatrix_paired(machine, slower, rng),
    "otava": lambda machine, slower, rng, known: peers.otava(machine, slower, rng, find_change_points),
}


def real_cells():
    """Return, likewise, what gates said of sessions that really ran."""
    said = defaultdict(list)
    for line in recorded.read():
        for gate, fails in recorded.fails(line).items():
            said[gate, line["kind"], line["slower"]].append(fails)
    return [
        {"gate": gate, "kind": kind, "slower": slower, "sessions": len(its), "fails": sum(its)}
        for (gate, kind, slower), its in said.items()
    ]


def start_otava(environment):
    global find_change_points
    find_change_points = peers.Otava(environment)


def cell(gate, kind, share, sessions):
    """Return what a gate said in so many sessions, as rows of the table; thresholds are several gates at once."""
    known = own.calibrated(np.random.default_rng(SEED))
    said, minutes = [], []
    for number in range(sessions):
        rng = np.random.default_rng([SEED, list(KINDS).index(kind), number])
        machine = Machine(rng, kind)
        said.append(GATES[gate](machine, 1 + share, rng, known))
        minutes.append(machine.now / 60)
    rows = {gate: said}
    if gate == "thresholds":
        rows = {f"threshold {name:.0%}": [each[name] for each in said] for name in rules.THRESHOLDS}
    return [
        {
            "gate": name,
            "kind": kind,
            "slower": share,
            "sessions": sessions,
            "fails": sum(_fails(each) for each in its),
            "open": sum(each is Verdict.INCONCLUSIVE for each in its),
            "minutes": round(median(minutes), 2),
        }
        for name, its in rows.items()
    ]


def _fails(said):
    return said is Verdict.REGRESSED if isinstance(said, Verdict) else bool(said)


def version_in(environment):
    line = [interpreter_of(Path(environment)), "-c", "import importlib.metadata as m; print(m.version('apache-otava'))"]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--otava", default=ROOT / ".tox" / "otava", help="the environment that has it")
    parser.add_argument("--page", action="store_true", help="make the page from what is kept")
    chosen = parser.parse_args()
    if not chosen.page:
        cells = list(product(GATES, KINDS, SLOWER))
        with ProcessPoolExecutor(initializer=start_otava, initargs=[chosen.otava]) as pool:
            found = list(pool.map(cell, *zip(*cells), [chosen.sessions] * len(cells)))
        kept = {
            "seed": SEED,
            "versions": {**{name: version(name) for name in PACKAGES}, "apache-otava": version_in(chosen.otava)},
            "cells": [row for rows in found for row in rows],
        }
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    kept = json.loads(KEPT.read_text()) | {"recorded": real_cells()}
    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    page.write(kept)


if __name__ == "__main__":
    main()
