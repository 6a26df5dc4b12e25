"""The command line and the settings in pytest.ini, declared. Read and checked they are where they are used.

Every session of pytest goes through here, so next to nothing is imported; tests/instrument/test_gate.py holds the
defaults that the texts name against the real ones.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

MAX_TRIALS = 16
SHORT = "DUET_SHORT_OPTIONS"  # in the environment: "off" leaves the short names to others


def add_options(parser: pytest.Parser) -> None:
    """Declare everything to pytest: ``--duet-NAME``, and ``--NAME`` as well, unless that is switched off or taken."""
    _add_gate(_Group(parser, "gate", "the gate"))
    add = _Group(parser, "duet", "workers, shards and the report")
    cores = "with -n: the cores that each worker owns (default: an equal share, for workers that own a GPU)"
    add("cores-per-worker", type=int, metavar="N", help=cores)
    trials = "fresh processes for each test that calls `benchmark` (default: 5 with --gate, else none of its own)"
    add("trials", type=int, metavar="N", help=trials, short=False)
    reply = "for one reply of such a process (default: 600)"
    add("timeout", type=float, default=600, metavar="SECONDS", help=reply, short=False)
    foreign = "a trial of a test beside which others used more than so many cores is repeated (default: 0.1)"
    add("max-foreign-cores", type=float, default=0.1, metavar="CORES", help=foreign, short=False)
    clocks = "hold the GPUs' clock there while this session times, as NVML lets root do; let it go whenever it ends"
    add("lock-clocks", type=int, metavar="MHZ", help=clocks)
    add("shard", metavar="K/N", help="run every N-th benchmark, from the K-th, K from 1; saves them")
    add("run-id", metavar="ID", help="of the run that the shard is part of: the same on every host")
    add("wide", action="store_true", help="tables with all that they have, however wide that is")
    page = "write an HTML page that works offline: this session, and the trends of the runs saved before it"
    add("report", metavar="FILE", help=page)
    _add_settings(parser)


REPORT_OR_FAIL = ("report", "fail")


class _Group:
    """Options that are shown together."""

    def __init__(self, parser: pytest.Parser, name: str, title: str) -> None:
        self._group = parser.getgroup(name, title)
        self._short = os.environ.get(SHORT) != "off"

    def __call__(self, name: str, short: bool = True, **how: Any) -> None:
        """Declare an option, whose value is kept as ``duet_NAME``; a suite's own ``--trials`` is no short name."""
        how["dest"] = f"duet_{name.replace('-', '_')}"
        if short and self._short:
            try:
                self._group.addoption(f"--{name}", f"--duet-{name}", **how)
                return
            except (ValueError, argparse.ArgumentError):
                pass  # another plugin, which was there before, has the short one
        self._group.addoption(f"--duet-{name}", **how)


def _add_gate(add: _Group) -> None:
    add("gate", action="store_true", help="judge this run by the accepted runs before it; saves it, too")
    alone = "with --gate: measure nothing again that history leaves open"
    add("history-alone", action="store_true", help=alone)
    other = "take turns with a virtual environment, an interpreter, git:REVISION of the project, or self"
    add("against", metavar="OTHER", help=other)
    new = "with --against: what the new side is, likewise; default: this interpreter and the working tree"
    add("new", metavar="SIDE", help=new)
    add("max-trials", type=int, default=MAX_TRIALS, metavar="N", help=f"that take turns (default: {MAX_TRIALS})")
    budget = "for taking turns, the whole session's: 90s, 5m or 1h (default: what it takes; with --gate, 150s each)"
    add("budget", metavar="TIME", help=budget)
    turn = "of one turn of --against; inf takes turns by whole rounds (default: 0.05; a test's round, 0.025)"
    add("turn-seconds", type=float, metavar="SECONDS", help=turn)
    margin = "what does not matter, such as peak_memory_bytes=5%%,2MiB"
    add("gate-margin", action="append", default=[], metavar="METRIC=MARGIN", help=margin)
    add("gate-window", type=int, metavar="N", help="accepted runs to judge by (default: 20)")
    for name, what in (("missing", "without a baseline"), ("inconclusive", "that stay open")):
        add(f"gate-{name}", choices=("fail", "warn"), help=f"what comparisons {what} do to the run (default: warn)")
    error = "of 5 %%: any false alarm in a run (default), or the share of them among what is found, for large suites"
    add("gate-error", choices=("any", "share"), help=error)
    only = "judge only these of what has an interval, such as peak_memory_bytes; trials are run until they are decided"
    add("gate-metrics", action="append", default=[], metavar="METRIC,...", help=only)
    alpha = "with --against: how probable a false alarm in a run may be, and so a clean that is none (default: 0.05)"
    add("gate-alpha", type=float, metavar="P", help=alpha)
    work = (
        "what work that is counted, and is not what it was, does to the run, whatever the clock says (default: report)"
    )
    add("gate-work", choices=REPORT_OR_FAIL, help=work)
    add("gate-json", metavar="FILE", help="write the verdicts there; RESULTS.md documents it")


def _add_settings(parser: pytest.Parser) -> None:
    for name, what in (
        ("duet_gate_margins", "margins against history, a line each: peak_memory_bytes = 5%, 2MiB"),
        ("duet_against_margins", "margins of --against, likewise"),
        ("duet_gate_aliases", "benchmarks that were renamed, a line each: old name -> new name"),
    ):
        parser.addini(name, what, type="linelist", default=[])
    own = "numbers in extra_info that are judged, a line each: tokens_per_second = higher, 1/s, 2%"
    parser.addini("duet_metrics", own, type="linelist", default=[])
    which = "what is today's on both sides of --against=git:..., if not the folders of the tests: globs, a line each"
    parser.addini("duet_tests", which, type="linelist", default=[])
    scope = "whose tests share their workers: test (nobody's), module or session"
    parser.addini("duet_isolation", scope, default="test")
    waits = "auto: the clock waits for the devices that a test computes on; else a test that does not wait fails"
    parser.addini("duet_sync", waits, default="")
    for name, default in (("missing", "warn"), ("inconclusive", "warn"), ("error", "any"), ("work", "report")):
        parser.addini(f"duet_gate_{name}", f"as --gate-{name}", default=default)
