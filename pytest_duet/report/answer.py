"""What somebody asks who has measured several subjects: which is fastest, by how much, how sure is that?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from pytest_duet.judge.ranking import ERROR, MOST_ROUNDS, Ranking, Ratio, rank
from pytest_duet.record.metrics import MEMORY, as_time
from pytest_duet.record.row import Row
from pytest_duet.report import reading
from pytest_duet.report.additions import Words
from pytest_duet.report.reading import Entry
from pytest_duet.trials.rounds import are_rounds

NAMED = 3  # subjects that a sentence compares with the fastest; the tables have all


@dataclass(frozen=True)
class Standing:
    """Where a subject stands; its time is per unit of work where not all of them do equally much in a round."""

    benchmark: str
    subject: str
    rank: int | None
    seconds: float
    ratio: Ratio | None


@dataclass(frozen=True)
class Answer:
    """What is known of the subjects of one test.

    :param sentences: that say it, the answer itself first.
    :param standings: of all, the fastest first; ``ratio`` is to the fastest.
    :param rounds: how many there were.
    :param ranked: whether an order is claimed at all: the trials ran in rounds, and in more than one.
    :param error: the probability that any of what is claimed of the order is wrong.
    """

    sentences: tuple[str, ...]
    standings: tuple[Standing, ...]
    rounds: int
    ranked: bool
    error: float = ERROR

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def answers(
    rows: Mapping[str, Entry], words: Words, machine: Mapping[str, Any] | None, together: bool = True
) -> list[Answer]:
    """Return an answer for every test that measured something, in the order of the rows.

    A subject that is called as its test is has nobody to be compared with.

    :param rows: by benchmark, pytest-benchmark's ``fullname``.
    :param machine: its fingerprint.
    :param together: whether one session measured them, whose clock tells what ran beside what.
    """
    by_test: dict[str, dict[str, Entry]] = {}
    for name, entry in rows.items():
        of_a_test_alone = name.rpartition("::")[2] == entry[0].subject
        if reading.times(entry[0]) and not of_a_test_alone:
            by_test.setdefault(name.partition("[")[0], {})[name] = entry
    return [_answer(its, words, machine or {}, together) for its in by_test.values()]


def _answer(rows: dict[str, Entry], words: Words, machine: Mapping[str, Any], together: bool) -> Answer:
    amounts = {name: words.amount_of(*entry) if words.amount_of else 1.0 for name, entry in rows.items()}
    rounds = min(len(reading.times(row)) for row, _ in rows.values())  # of a stopped session, those that are complete
    times = {name: [its / amounts[name] for its in reading.times(row)[:rounds]] for name, (row, _) in rows.items()}
    in_rounds = together and are_rounds([row.trials[:rounds] for row, _ in rows.values()])
    found = rank(times)
    told = _Telling({name: row for name, (row, _) in rows.items()}, found, in_rounds and rounds > 1, rounds)
    first = found.order[0]
    same_work = len(set(amounts.values())) == 1
    time = words.took(*rows[first], as_time(reading.seconds(rows[first][0]) or 0))
    equal = told.exact() if same_work else ""
    lines = [f"{_where(machine)}{told.with_difference(first)} {time}{told.comparison()}{equal}."]
    still_open = told.open()
    lines += [
        *still_open,
        *([closer] if still_open and (closer := words.closer(*rows[first])) else []),
        *told.memory(),
        *told.differences(),
        *told.cautions(in_rounds),
    ]
    ranks = found.ranks if told.ranked else {}
    standings = [
        Standing(name, told.name(name), ranks.get(name), median(times[name]), found.ratios.get((first, name)))
        for name in found.order
    ]
    return Answer(tuple(lines), tuple(standings), rounds, told.ranked)


def _where(machine: Mapping[str, Any]) -> str:
    cores, cpu, gpu = machine.get("usable_cores"), machine.get("cpu"), machine.get("gpu")
    named = gpu.get("name") if isinstance(gpu, dict) else None
    parts = [str(named)] if named else []
    parts += [f"{cores} cores of {cpu}" if cpu else f"{cores} cores"] if cores else []
    return f"On this machine ({', '.join(parts)}), " if parts else ""


@dataclass(frozen=True)
class _Telling:
    """The sentences on the rows of one test."""

    rows: dict[str, Row]
    found: Ranking
    ranked: bool
    rounds: int

    def name(self, benchmark: str) -> str:
        row = self.rows[benchmark]
        alone = sum(other.subject == row.subject for other in self.rows.values()) == 1
        return row.subject if alone else benchmark.partition("[")[2].rstrip("]")

    def names(self, benchmarks: Iterable[str]) -> str:
        return _listed([self.name(each) for each in benchmarks])

    def with_difference(self, benchmark: str) -> str:
        """Return its name, with its label where those that the answer names differ in one: ``jax (graph)``."""
        labels = self._differing()
        values = next(iter(labels.values())) if len(labels) == 1 else {}
        return f"{self.name(benchmark)} ({values[benchmark]})" if benchmark in values else self.name(benchmark)

    def comparison(self) -> str:
        """Return how the first compares with those behind it."""
        first, *others = self.found.order
        if not others:
            return ""
        if not self.ranked:
            ratios = {each: self.found.ratios[first, each].value for each in others[:NAMED]}
            parts = [f"{self.with_difference(each)} takes {ratio:.2f}" for each, ratio in ratios.items()]
            return f"; {_listed(parts)} times as long"
        slower = [each for each in others if self.found.ratios[first, each].apart > 0]
        parts = [
            f"{_times(self.found.ratios[first, each], '95 %: ' if each == slower[0] else '')} as "
            f"{self.with_difference(each)}"
            for each in slower[:NAMED]
        ]
        rest = f", and faster than {len(slower) - NAMED} more" if len(slower) > NAMED else ""
        return f": {_listed(parts)}{rest}" if parts else ", but nobody is slower for sure"

    def exact(self) -> str:
        """Return what has to be equal, such as an accuracy."""
        parts = []
        for name, measured in next(iter(self.rows.values())).metrics.items():
            values = [row.typical(name) for row in self.rows.values()]
            known = [value for value in values if value is not None]
            if measured.better == "same" and known and len(known) == len(values):
                low, high = f"{min(known):.4f}", f"{max(known):.4f}"
                if low != high:
                    parts.append(f", at {measured.title} from {low} to {high}")
                else:
                    parts.append(
                        f", at equal {measured.title} ({low})" if len(values) > 1 else f", at {measured.title} {low}"
                    )
        return "".join(parts)

    def open(self) -> list[str]:
        """Return sentences for neighbours in the order that cannot be told apart, the first few of them by name."""
        if not self.ranked:
            return []
        pairs = [pair for pair in pairwise(self.found.order) if not self.found.ratios[pair].apart]
        by_need: dict[int | None, list[str]] = {}
        for pair in pairs[:NAMED]:
            by_need.setdefault(self.found.ratios[pair].more_rounds, []).append(" and ".join(map(self.name, pair)))
        lines = []
        for more, its in by_need.items():
            would = f"it would take more than {MOST_ROUNDS} trials of each"
            if more is not None:
                would = f"some {more} more trial{'s' * (more > 1)} of each would do it"
            lines.append(f"{'; '.join(its)} cannot be told apart in this run: {would}.")
        if len(pairs) > NAMED:
            lines.append(f"Nor can {len(pairs) - NAMED} more pairs of neighbours.")
        return lines

    def memory(self) -> list[str]:
        """Return a sentence on the highest peaks, where all are of the same source."""
        known = {name: row.metrics[MEMORY] for name, row in self.rows.items() if MEMORY in row.metrics}
        peaks = {name: max(its.known) for name, its in known.items() if its.known}
        sources = {its.source for its in known.values()}
        named = [name for name in self.found.order[: NAMED + 1] if name in peaks]
        if not named or len(sources) > 1:
            return []
        parts = [f"{self.name(name)} {peaks[name] / 2**20:,.0f} MiB" for name in named]
        of = reading.SOURCES.get(sources.pop(), "memory")
        return [f"Peak ({of}): {', '.join(parts)}."]

    def _differing(self) -> dict[str, dict[str, str]]:
        """Return the labels in which those differ that the answer names, with the values of each."""
        named = self.found.order[: NAMED + 1]
        labels = {"device": {name: reading.device_title(self.rows[name].device) for name in named}}
        for label in self.rows[named[0]].labels:
            labels[label] = {name: self.rows[name].labels.get(label, "-") for name in named}
        return {label: values for label, values in labels.items() if len(set(values.values())) > 1}

    def differences(self) -> list[str]:
        """Return a sentence for each of these labels; none for a single one, which stands beside the names."""
        labels = self._differing()
        return [
            f"They differ in {label}: {', '.join(f'{self.name(a)} {b}' for a, b in values.items())}."
            for label, values in labels.items()
            if len(labels) > 1
        ]

    def cautions(self, in_rounds: bool) -> list[str]:
        lines = []
        if len(self.rows) > 1:
            if not in_rounds:
                lines.append("They did not take turns, and a machine has its moods: this is no ranking.")
            elif not self.ranked:
                lines.append("From one trial each, which tells nothing of chance: this is no ranking.")
            else:
                surely = f"How sure: with {100 * (1 - ERROR):.0f} % confidence, all these ranges at once"
                lines.append(f"{surely}; from {self.rounds} trials of each, in rounds, on this machine today.")
        disturbed = [name for name, row in self.rows.items() if row.disturbed_trials]
        if disturbed:
            lines.append(f"Others disturbed trials of {self.names(disturbed)}.")
        lines += [f"{self.name(name)} leaks: {row.leak}." for name, row in self.rows.items() if row.leak]
        return lines


def _times(ratio: Ratio, label: str) -> str:
    return f"{ratio.value:.2f} times ({label}{ratio.low:.2f} to {ratio.high:.2f}) as fast"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
