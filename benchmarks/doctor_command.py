"""``python -m benchmarks doctor``: does this environment work, and if not, what is to be done?"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from dataclasses import asdict

from pytest_duet.commands.history_command import STORAGE
from pytest_duet.errors import DuetError
from pytest_duet.workers.process import ROOT

SCHEMA = 1
TIMEOUT_SECONDS = 180
WIDTH = 140  # of the tables where there is no terminal to ask


def add_parser(commands):
    """Declare the command to argparse."""
    what = (
        "look at every framework, each in a process of its own, and at the machine; exit code 1 if anything is broken"
    )
    parser = commands.add_parser("doctor", help="does this environment work, and if not, why not", description=what)
    parser.add_argument(
        "--frameworks", action="append", metavar="NAMES", help="names or globs, comma-separated (default: all)"
    )
    parser.add_argument("--framework-path", action="append", default=[], metavar="FILE", help="also those of this file")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="default: a GPU if any")
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH", help="as pytest's")
    parser.add_argument("--envs", metavar="DIR", help="as pytest's (default: .tox beside conftest.py)")
    parser.add_argument(
        "--timeout", "--worker-timeout", type=float, default=TIMEOUT_SECONDS, metavar="SECONDS", help="for one answer"
    )
    parser.add_argument("--storage", default=STORAGE, metavar="DIR", help=f"where runs are saved (default: {STORAGE})")
    parser.add_argument("--mnist-dir", metavar="DIR", help="where MNIST is; else $MNIST_DIR, and the caches")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables (RESULTS.md)")
    parser.set_defaults(run=run)


def run(chosen):
    """Print a row for everything that was looked at; return 1 if anything is broken."""
    from benchmarks.doctor import frameworks
    from pytest_duet.doctor import BROKEN, gpus, machine

    if chosen.timeout <= 0:
        raise DuetError(f"--timeout={chosen.timeout:g}: give a number above 0.")
    storage = chosen.storage.removeprefix("file://")
    look = gpus.look()
    rows = [machine.cores(), machine.governor(), machine.memory(), machine.disk(storage), machine.storage(storage)]
    rows += [machine.data_set(chosen.mnist_dir), *gpus.rows(look, chosen.device)]
    findings, of_frameworks = _examine(chosen)
    rows = of_frameworks + rows + gpus.memory_by_process(findings)
    libraries = frameworks.libraries(findings)
    code = 1 if any(row.state == BROKEN for row in rows) else 0
    if chosen.json:
        print(as_json(rows, findings, look))
    else:
        _print(rows, libraries)
    return code


def _examine(chosen):
    """Return the findings of all frameworks that were asked for, and the rows that they make."""
    from benchmarks.doctor import frameworks
    from benchmarks.doctor.examine import WORKLOAD, examine
    from benchmarks.frameworks.interpreters import find_interpreter
    from benchmarks.options import named_python
    from benchmarks.trainer_runner import TrainerRunner
    from pytest_duet.sensors.gpu import find_gpu

    gpu = None if chosen.device == "cpu" else find_gpu()
    seen = gpu and gpu.fingerprint()
    pythons = dict(map(named_python, chosen.python))
    entries, by_name = _entries(chosen)
    findings, rows = [], []
    for entry in entries:
        python, environment = find_interpreter(entry, pythons, chosen.envs or str(ROOT / ".tox"), gpu is not None)
        runner = TrainerRunner(
            entry,
            WORKLOAD,
            device=chosen.device,
            timeout_seconds=chosen.timeout,
            python=python,
            environment=environment,
            progress=lambda text, name=entry.name: _progress(f"{name}: {text}"),
        )
        findings.append(examine(runner, gpu))
        rows += frameworks.rows(findings[-1], entry.name in by_name, chosen.device, seen)
    _progress("")
    return findings, rows


def _entries(chosen):
    """Return the entries that were asked for, and the names among what was asked for, which must be installed."""
    from benchmarks.frameworks import select
    from benchmarks.options import known_entries

    registry = known_entries(chosen.framework_path)
    patterns = [name.strip() for names in chosen.frameworks or ["all"] for name in names.split(",")]
    return select(patterns, registry), set(patterns).intersection(registry)


def _progress(text):
    """Show what is going on, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[:79]}", end="", file=sys.stderr, flush=True)


def as_json(rows, findings, look):
    """Return everything as the text of a JSON object, which RESULTS.md describes."""
    found = {
        "schema": SCHEMA,
        "rows": [asdict(row) for row in rows],
        "frameworks": [asdict(found) for found in findings],
        "gpus": [{**card, "holders": _by_text(card["holders"])} for card in look.cards],
    }
    return json.dumps(found, indent=2, allow_nan=False, default=sorted)  # sets become lists


def _by_text(holders):
    return None if holders is None else {str(pid): held for pid, held in holders.items()}


def _print(rows, libraries):
    from pytest_duet.doctor.row import WORST_LAST
    from pytest_duet.report.text_table import as_table

    width = shutil.get_terminal_size((WIDTH, 24)).columns
    print(as_table(("looked at", "state", "found", "what to do"), [_cells(row, width) for row in rows], right=()))
    if libraries:
        lines = [(*cells, textwrap.fill(names, width // 3)) for *cells, names in libraries]
        print(as_table(("library", "version", "loaded from", "by"), lines, right=()))
    for row in rows:
        if row.detail:
            print(f"{row.subject}: {row.found}\n{row.detail}\n")
    states = [row.state for row in rows]
    counts = [f"{states.count(state)} {state}" for state in reversed(WORST_LAST) if state in states]
    print(f"{len(rows)} rows: {', '.join(counts)}.")


def _cells(row, width):
    """Return a row's cells as text, its sentences wrapped, so that the table fits into a terminal of this width."""
    room = max(60, width - 30)
    wrapped = (
        textwrap.fill(text, share, break_long_words=False, break_on_hyphens=False)
        for text, share in ((row.found, room * 3 // 5), (row.advice, room * 2 // 5))
    )
    return row.subject, row.state if row.state == "ok" else row.state.upper(), *wrapped
