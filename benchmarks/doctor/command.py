"""``python -m benchmarks doctor``: does this environment work, and if not, what is to be done?"""

from __future__ import annotations

import sys
import textwrap
from dataclasses import asdict

from pytest_duet.commands.doctor_command import add_options, as_json, look_around, show, width
from pytest_duet.errors import DuetError
from pytest_duet.workers.process import ROOT

TIMEOUT_SECONDS = 180


def add_parser(commands, hook=None):
    """Declare the command to argparse."""
    what = (
        "look at every framework, each in a process of its own, and at the machine; exit code 1 if anything is broken"
    )
    parser = commands.add_parser("doctor", help="does this environment work, and if not, why not", description=what)
    parser.add_argument(
        "--frameworks", action="append", metavar="NAMES", help="names or globs, comma-separated (default: all)"
    )
    parser.add_argument("--framework-path", action="append", default=[], metavar="FILE", help="also those of this file")
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH", help="as pytest's")
    parser.add_argument("--envs", metavar="DIR", help="as pytest's (default: .tox beside conftest.py)")
    parser.add_argument(
        "--timeout", "--worker-timeout", type=float, default=TIMEOUT_SECONDS, metavar="SECONDS", help="for one answer"
    )
    parser.add_argument("--mnist-dir", metavar="DIR", help="where MNIST is; else $MNIST_DIR, and the caches")
    add_options(parser)
    parser.set_defaults(run=lambda chosen: run(chosen, hook))


def run(chosen, hook):
    """Print a row for everything that was looked at; return 1 if anything is broken."""
    from benchmarks.doctor import frameworks
    from pytest_duet.doctor import gpus
    from pytest_duet.report.text_table import as_table

    if chosen.timeout <= 0:
        raise DuetError(f"--timeout={chosen.timeout:g}: give a number above 0.")
    look = gpus.look()
    rows = look_around(chosen, look, hook)
    findings, of_frameworks = _examine(chosen)
    rows = of_frameworks + rows + gpus.memory_by_process(found.held for found in findings)
    lines = [(*cells, textwrap.fill(names, width() // 3)) for *cells, names in frameworks.libraries(findings)]
    tables = [as_table(("library", "version", "loaded from", "by"), lines, right=())] if lines else []
    return show(rows, as_json(look, frameworks=list(map(asdict, findings))) if chosen.json else None, tables)


def _examine(chosen):
    """Return the findings of all frameworks that were asked for, and the rows that they make."""
    from benchmarks.doctor import frameworks
    from benchmarks.doctor.examine import WORKLOAD, examine
    from benchmarks.frameworks import select
    from benchmarks.frameworks.interpreters import find_interpreter, named_python
    from benchmarks.options import known_entries
    from benchmarks.trainer_runner import TrainerRunner
    from pytest_duet.sensors.gpu import find_gpu

    gpu = None if chosen.device == "cpu" else find_gpu()
    seen = gpu and gpu.fingerprint()
    pythons = dict(map(named_python, chosen.python))
    registry = known_entries(chosen.framework_path)
    asked = [name.strip() for names in chosen.frameworks or ["all"] for name in names.split(",")]
    findings, rows = [], []
    for entry in select(asked, registry):
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
        rows += frameworks.rows(findings[-1], entry.name in asked, chosen.device, seen)
    _progress("")
    return findings, rows


def _progress(text):
    """Show what is going on, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[:79]}", end="", file=sys.stderr, flush=True)
