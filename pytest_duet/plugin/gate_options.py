"""The gate's command line and its settings in pytest.ini."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_duet.errors import DuetError
from pytest_duet.record.history import MIN_RUNS, WINDOW
from pytest_duet.record.metrics import METRICS, read_margins
from pytest_duet.trials.pairs import PART_SECONDS, WARM_ROUNDS

MAX_TRIALS = 16


@dataclass(frozen=True)
class GateOptions:
    """How the gate judges, read and checked.

    :param history: whether to judge against history.
    :param against: the other environment, or None.
    :param margins: :class:`pytest_duet.record.metrics.Margin` by metric, the defaults and pytest.ini's.
    :param margin_texts: those of the command line, which have the last word, as they were given.
    :param aliases: the name that a benchmark has now, by the name that it had.
    :param fail_on: what makes the run fail beside a regression: ``"missing"``, ``"inconclusive"``.
    """

    history: bool
    against: str | None
    margins: dict
    margin_texts: tuple
    window: int
    min_runs: int
    max_trials: int
    part_seconds: float
    aliases: dict
    fail_on: frozenset
    json: str | None

    @property
    def active(self):
        return self.history or self.against is not None


def add_options(parser):
    """Declare the options to pytest."""
    add = parser.getgroup("gate", "the gate").addoption
    add("--gate", action="store_true", help="judge this run by the accepted runs before it; saves it, too")
    add(
        "--against",
        metavar="OTHER",
        help="take turns with a virtual environment, an interpreter, git:REVISION of this suite, or self",
    )
    add("--max-trials", type=int, default=MAX_TRIALS, metavar="N", help=f"of --against (default: {MAX_TRIALS})")
    add(
        "--part-seconds",
        type=float,
        default=PART_SECONDS,
        metavar="SECONDS",
        help=f"of one turn of --against; inf takes turns by whole epochs (default: {PART_SECONDS})",
    )
    add(
        "--gate-margin",
        action="append",
        default=[],
        metavar="METRIC=MARGIN",
        help=f"what does not matter, such as epoch_seconds=5%%,1ms; metrics: {', '.join(METRICS)}",
    )
    add("--gate-window", type=int, default=WINDOW, metavar="N", help=f"accepted runs to judge by (default: {WINDOW})")
    for name, what in (("missing", "without a baseline"), ("inconclusive", "that stay open")):
        add(f"--gate-{name}", choices=("fail", "warn"), help=f"what cells {what} do to the run (default: warn)")
    add("--gate-json", metavar="FILE", help="write the verdicts there; RESULTS.md documents it")
    for name, what in (
        ("gate_margins", "margins against history, a line each: epoch_seconds = 5%, 1ms"),
        ("against_margins", "margins of --against, likewise"),
        ("gate_aliases", "benchmarks that were renamed, a line each: old name -> new name"),
    ):
        parser.addini(name, what, type="linelist", default=[])
    for name in ("missing", "inconclusive"):
        parser.addini(f"gate_{name}", f"as --gate-{name}", default="warn")


def read_options(config):
    """Return the :class:`GateOptions` of a pytest configuration.

    :raises DuetError: for a value that makes no sense, naming the option.
    """
    get, ini = config.getoption, config.getini
    against = get("against")
    if get("gate") and against:
        raise DuetError("--gate and --against: choose one; the first judges by history, the second in this session.")
    if against and get("isolation") == "none":
        raise DuetError("--against: it needs two processes, so --isolation=none cannot be.")
    if against and get("epochs") <= WARM_ROUNDS:
        raise DuetError(
            f"--epochs={get('epochs')}: --against warms up for {WARM_ROUNDS}; give {WARM_ROUNDS + 1} or more."
        )
    for option, least in (("max_trials", 1), ("gate_window", MIN_RUNS)):
        if get(option) < least:
            raise DuetError(f"--{option.replace('_', '-')}={get(option)}: give {least} or more.")
    if not get("part_seconds") > 0:
        raise DuetError(f"--part-seconds={get('part_seconds')}: give a number above 0, or inf.")
    mode = "against" if against else "history"
    defaults = {name: getattr(metric, mode) for name, metric in METRICS.items()}
    lines = f"{'against' if against else 'gate'}_margins"
    margins = read_margins(ini(lines), defaults, f"pytest.ini, {lines}:")
    read_margins(get("gate_margin"), margins, "--gate-margin")  # to hear of a wrong one before anything is measured
    return GateOptions(
        history=get("gate"),
        against=against,
        margins=margins,
        margin_texts=tuple(get("gate_margin")),
        window=get("gate_window"),
        min_runs=MIN_RUNS,
        max_trials=get("max_trials"),
        part_seconds=get("part_seconds"),
        aliases=dict(_alias(line) for line in ini("gate_aliases")),
        fail_on=frozenset(name for name in ("missing", "inconclusive") if _choice(config, name) == "fail"),
        json=_writable(get("gate_json")),
    )


def _choice(config, name):
    chosen = config.getoption(f"gate_{name}") or config.getini(f"gate_{name}")
    if chosen not in ("fail", "warn"):
        raise DuetError(f"pytest.ini, gate_{name}: {chosen!r} is neither fail nor warn.")
    return chosen


def _alias(line):
    old, _, new = (part.strip() for part in line.partition("->"))
    if not (old and new):
        raise DuetError(f"pytest.ini, gate_aliases: {line!r} is not of the form: old name -> new name.")
    return old, new


def _writable(path):
    if path and not Path(path).absolute().parent.is_dir():
        raise DuetError(f"--gate-json={path}: there is no folder {Path(path).absolute().parent}.")
    return path
