"""How the gate judges: its options and settings, read and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_duet.errors import DuetError
from pytest_duet.judge.verdict import ERRORS
from pytest_duet.plugin.budget import parse_seconds
from pytest_duet.plugin.options import REPORT_OR_FAIL
from pytest_duet.record.history import MIN_RUNS, WINDOW
from pytest_duet.record.margins import Margin, read_margins, real_names
from pytest_duet.record.metrics import DEFAULT, Metric
from pytest_duet.trials.turns import TURN_SECONDS

if TYPE_CHECKING:
    import pytest


LEAST_ALPHA = 1e-6
WARN_OR_FAIL = ("fail", "warn")


@dataclass(frozen=True)
class GateOptions:
    """How the gate judges.

    :param settle: whether what history leaves open is measured again.
    :param against: the old side, or None; ``new`` is the new one, None for this interpreter and the working tree.
    :param metrics: what is compared, by name: what a suite's own benchmarks are, and what any test is that calls
        ``benchmark``.
    :param suite: the names of the former.
    :param margins: by metric, the defaults and pytest.ini's.
    :param margin_texts: those of the command line, which have the last word, as they were given.
    :param aliases: the name that a benchmark has now, by the name that it had.
    :param error: what is held to ``alpha``, :class:`pytest_duet.judge.verdict.Family`.
    :param alpha: that probability, and that of a clean that is none; None for their own 5 %.
    :param fail_on: what makes the run fail beside a regression: ``"missing"``, ``"inconclusive"``.
    :param work: ``"fail"`` where counted work that changed is a regression, else ``"report"``.
    """

    history: bool
    settle: bool
    against: str | None
    new: str | None
    metrics: dict[str, Metric]
    suite: frozenset[str]
    margins: dict[str, Margin]
    margin_texts: tuple[str, ...]
    window: int
    max_trials: int
    turn_seconds: float
    budget_seconds: float | None
    aliases: dict[str, str]
    error: str
    alpha: float | None
    fail_on: frozenset[str]
    work: str
    json: str | None

    @property
    def active(self) -> bool:
        return self.history or self.against is not None

    @property
    def mode(self) -> str:
        return "against" if self.against else "history"

    def margins_of(self, node: str, markers: Iterable[pytest.Mark] = (), plain: bool = False) -> dict[str, Margin]:
        """Return the margins of a benchmark with these markers ``gate``, the closest first.

        :param plain: whether it is a test that calls ``benchmark``, and not one of a suite's own.
        """
        names = {each.name for each in DEFAULT} if plain else self.suite
        metrics = {name: metric for name, metric in self.metrics.items() if name in names}
        margins = {name: margin for name, margin in self.margins.items() if name in names}
        for marker in reversed(list(markers)):  # the closest one last: it has the last word
            texts = [f"{metric}={margin}" for metric, margin in marker.kwargs.items()]
            margins = read_margins(texts, margins, metrics, f"{node}, marker gate:")
        said = read_margins(self.margin_texts, {**self.margins, **margins}, self.metrics, "--gate-margin")
        return {name: said[name] for name in margins}

    def check_named(self, margins: Mapping[str, Mapping[str, Margin]]) -> None:
        """Refuse an option that names a metric which none of a session's benchmarks has, though others would.

        :param margins: of each benchmark, by metric.
        :raises DuetError: naming the option.
        """
        had = {name for its in margins.values() for name in its}
        chosen = [name for name, metric in self.metrics.items() if not metric.exact]
        named = {f"--gate-metrics={','.join(chosen)}": chosen} if chosen else {}
        for text in self.margin_texts:
            named[f"--gate-margin={text}"] = real_names(text.partition("=")[0].strip(), self.metrics)
        for option, names in named.items():
            if margins and not had.intersection(names):
                raise DuetError(f"{option}: no benchmark of this session has that.")


def read_options(config: pytest.Config) -> GateOptions:
    """Return the options of a pytest configuration.

    :raises DuetError: for a value that makes no sense, naming the option.
    """
    get, ini = config.getoption, config.getini
    against = get("duet_against")
    if get("duet_gate") and against:
        raise DuetError("--gate and --against: choose one; the first judges by history, the second in this session.")
    alpha = get("duet_gate_alpha")
    for option, value in (("--new", get("duet_new")), ("--gate-alpha", alpha)):
        if value is not None and not against:
            raise DuetError(f"{option} is for --against.")
    if alpha is not None and not LEAST_ALPHA <= alpha <= 0.5:
        raise DuetError(f"--gate-alpha={alpha:g}: give a probability from {LEAST_ALPHA:g} to 0.5.")
    window = WINDOW if get("duet_gate_window") is None else get("duet_gate_window")
    turn_seconds = TURN_SECONDS if get("duet_turn_seconds") is None else get("duet_turn_seconds")
    for option, value, least in (("--max-trials", get("duet_max_trials"), 1), ("--gate-window", window, MIN_RUNS)):
        if value < least:
            raise DuetError(f"{option}={value}: give {least} or more.")
    if not turn_seconds > 0:
        raise DuetError(f"--turn-seconds={turn_seconds}: give a number above 0, or inf.")
    suite = tuple(config.hook.pytest_duet_metrics(config=config) or DEFAULT)
    metrics = _chosen(get("duet_gate_metrics"), {each.name: each for each in (*DEFAULT, *suite)}.values())
    if not against and (named := [name for name, each in metrics.items() if each.every_round]):
        raise DuetError(f"--gate-metrics={named[0]}: another side has to compute the same now; it is for --against.")
    defaults = {name: each.against if against else each.history for name, each in metrics.items() if not each.exact}
    lines = f"duet_{'against' if against else 'gate'}_margins"
    margins = read_margins(ini(lines), defaults, metrics, f"pytest.ini, {lines}:")
    read_margins(get("duet_gate_margin"), margins, metrics, "--gate-margin")  # a wrong one is refused at once
    return GateOptions(
        history=get("duet_gate"),
        settle=not get("duet_history_alone"),
        against=against,
        new=get("duet_new"),
        metrics=metrics,
        suite=frozenset(each.name for each in suite),
        margins=margins,
        margin_texts=tuple(get("duet_gate_margin")),
        window=window,
        max_trials=get("duet_max_trials"),
        turn_seconds=turn_seconds,
        budget_seconds=_seconds(get("duet_budget")),
        aliases=dict(_alias(line) for line in ini("duet_gate_aliases")),
        error=_choice(config, "error", tuple(ERRORS)),
        alpha=alpha,
        fail_on=frozenset(
            name for name in ("missing", "inconclusive") if _choice(config, name, WARN_OR_FAIL) == "fail"
        ),
        work=_choice(config, "work", REPORT_OR_FAIL),
        json=_writable(get("duet_gate_json")),
    )


def _chosen(texts: Iterable[str], metrics: Iterable[Metric]) -> dict[str, Metric]:
    """Return these metrics by name, of those that have an interval the chosen ones alone, if any are chosen."""
    known = {each.name: each for each in metrics}
    given = [name.strip() for text in texts for name in text.split(",")]
    names = [name for each in given for name in real_names(each, known)]
    for name in names:
        if name not in known:
            raise DuetError(f"--gate-metrics: {name!r} is none of {', '.join(known)}.")
    always = {name for name, each in known.items() if not each.every_round and (each.exact or not names)}
    return {name: each for name, each in known.items() if name in always or name in names}


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else parse_seconds(text)
    except ValueError as error:
        raise DuetError(f"--budget: {error}.") from None


def _choice(config: pytest.Config, name: str, choices: tuple[str, ...]) -> str:
    chosen = str(config.getoption(f"duet_gate_{name}") or config.getini(f"duet_gate_{name}"))
    if chosen not in choices:
        raise DuetError(f"pytest.ini, duet_gate_{name}: {chosen!r} is neither {' nor '.join(choices)}.")
    return chosen


def _alias(line: str) -> tuple[str, str]:
    old, _, new = (part.strip() for part in line.partition("->"))
    if not (old and new):
        raise DuetError(f"pytest.ini, duet_gate_aliases: {line!r} is not of the form: old name -> new name.")
    return old, new


def _writable(path: str | None) -> str | None:
    if path and not Path(path).absolute().parent.is_dir():
        raise DuetError(f"--gate-json={path}: there is no folder {Path(path).absolute().parent}.")
    return path
